"""How often does the range of further labels hold the truth? Simulated studies with known curves.

    python -m benchmarks.labels [--studies 400]

Base has five seeds at 50, 100, 200 and 400 labels; an accuracy has an sd of 1.5 points over seeds,
and of 1.2 over draws of the test rows (as of 1,000 rows), half as much for a single model. Adapted
is as good as base with so many labels more. The truth is of a family that is fitted (log, power),
or of one that is not (exponential, arctan: curves that bend sooner). Studies in which base does not
rise, or adapted is not better, say nothing.
"""

import argparse
from collections.abc import Callable

import numpy as np

from steep.study.label_curve import more_labels

COUNTS, SEEDS, RESAMPLES = np.array([50, 100, 200, 400]), 5, 300
SPREAD, ROWS = 0.015, 0.012  # sd over seeds, and over draws of test rows
CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": lambda n: 0.30 + 0.08 * np.log(n),
    "power": lambda n: 0.90 - 2.0 * n**-0.5,
    "exponential": lambda n: 0.85 - 0.35 * np.exp(-n / 300),
    "arctan": lambda n: 0.45 + 0.28 * np.arctan(n / 200),
}
MORE = (100, 400, 800)


def share(curve: str, more: int, studies: int) -> tuple[int, int, float, float]:
    """Studies that said something, and whose range held the truth; medians of its two ends."""
    draw, found = np.random.default_rng(more), []
    for _ in range(studies):
        told = more_labels(COUNTS, *_study(CURVES[curve], more, draw), 0)
        if told is not None:
            infinite = told["beyond"] + 1
            ends = [infinite if told[end] is None else told[end] for end in ("low", "high")]
            found.append(ends)
    held = sum(low <= more <= high for low, high in found)
    low, high = np.median(found, axis=0)
    return len(found), held, float(low), float(high)


def _study(
    curve: Callable[[np.ndarray], np.ndarray], more: int, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What a study measures: base (seeds, budgets, resamples), adapted (seeds, resamples)."""
    truth = curve(np.array([*COUNTS, COUNTS[-1] + more], float))
    seeds = draw.normal(size=(SEEDS, len(truth), 1)) * SPREAD
    shared = draw.normal(size=(1, 1, 1)) * ROWS  # these test rows are easy or hard for all
    own = draw.normal(size=(1, len(truth), 1)) * ROWS / 2  # and for some runs more than for others
    resampled = draw.normal(size=(1, 1, RESAMPLES)) * ROWS
    resampled = resampled + draw.normal(size=(1, len(truth), RESAMPLES)) * ROWS / 2
    drawn = truth[None, :, None] + seeds + shared + own + resampled
    return drawn[:, :-1], drawn[:, -1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=400)
    asked = parser.parse_args()
    print(
        "| curve | true further labels | studies that say a range | it holds the truth | median |"
    )
    print("|---|---|---|---|---|")
    for name in CURVES:
        for labels in MORE:
            said, held, low, high = share(name, labels, asked.studies)
            ends = " to ".join("beyond" if end > 1200 else f"{end:,.0f}" for end in (low, high))
            print(
                f"| {name} | {labels:,} | {said / asked.studies:.0%} | {held / said:.0%} | {ends} |"
            )
