"""How often is the 95 % interval of a gain wrong? Simulated studies with normal noise.

    python benchmarks/intervals.py [--studies 200000]

There is no effect, and there are 500 test rows. A cell of the table is "yes / power": "yes" should
come out in 2.5 % of the studies; power is how often an effect of two true standard errors is found.
What varies, with equal variances where there are several: the choice of test rows (R), the seeds
(S), chance in every run and row (I, the interaction). "worst" is the most frequent "yes" in ten
mixtures of R and S.
"""

import argparse

import numpy as np
from scipy import stats

from steep.study.paired import Noise

SEEDS = (2, 3, 4, 5, 10)
MIXTURES = {"R": (1, 0, 0), "R, S": (1, 1, 0), "I": (0, 0, 1), "S, I": (0, 1, 1)}
MIXTURES["R, S, I"] = (1, 1, 1)


def shares(
    seeds: int, parts: tuple[float, float, float], studies: int, random: np.random.Generator
) -> tuple[float, float]:
    """Share of "yes" without an effect, and with one of two standard errors.

    `parts` are the variances of the mean gain that are due to rows, seeds and interaction.
    """
    of_rows, of_seeds, chance = parts
    each = ((of_seeds + chance) * seeds) ** 0.5 * random.normal(size=(studies, seeds))
    gains = of_rows**0.5 * random.normal(size=studies) + each.mean(axis=1)
    spread = each.var(axis=1, ddof=1)
    # A study has hundreds of rows: its estimate of their variance is taken to be exact.
    a, b, df = Noise(spread, of_rows, chance * seeds, 500).error(seeds)
    bound = stats.t.ppf(0.975, df) * np.hypot(a, b)
    shift = 2 * sum(parts) ** 0.5
    return float((gains > bound).mean()), float((gains + shift > bound).mean())


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200_000)
    studies, random = parser.parse_args().studies, np.random.default_rng(0)
    print(f"| seeds | {' | '.join(MIXTURES)} | worst |\n|{'---|' * (len(MIXTURES) + 2)}")
    for seeds in SEEDS:
        cells = [shares(seeds, parts, studies, random) for parts in MIXTURES.values()]
        mixed = [(1 - s, s, 0.0) for s in np.linspace(0.05, 0.95, 10)]
        worst = max(shares(seeds, parts, studies, random)[0] for parts in mixed)
        told = " | ".join(f"{yes:.1%} / {power:.0%}" for yes, power in cells)
        print(f"| {seeds} | {told} | {worst:.1%} |", flush=True)


if __name__ == "__main__":
    main()
