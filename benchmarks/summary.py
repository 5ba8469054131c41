"""What do the turns of a contest add up to? Speeds, ratios, share of the peak, memory, losses."""

import statistics
from typing import Any

import numpy as np

from benchmarks.contest import Score

LEARNT = ("loss", "accuracy", "batch_size")  # what contestants may report


def summary(
    scores: list[dict[str, Score]], work: float, peak: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """Contestant -> what it did in the contests of all seeds, `scores`.

    `work` is the number of floating-point operations for a token, `peak` precision -> GFLOP/s.
    Ratios are Steep's speed over the contestant's, taken within a round; over that of
    "steep --plain", they are the part of the speed-up that is due to Steep's own layers.
    """
    return {name: _line(name, scores, work, peak) for name in scores[0]}


def _line(
    name: str, scores: list[dict[str, Score]], work: float, peak: dict[str, float]
) -> dict[str, Any]:
    rates, steeps = _rates(name, scores), _rates("steep", scores)
    results = [score[name].result for score in scores]
    gflops = statistics.median(rates) * work / 1e9
    line = {
        "tokens_per_second": spread(rates),
        "steep_ratio": spread([own / rate for own, rate in zip(steeps, rates, strict=True)]),
        "share_of_peak": {kind: gflops / most for kind, most in peak.items()},
        "tokens": sum(tokens for score in scores for tokens, _ in score[name].turns),
        "peak_memory_mb": _most([result["memory"] for result in results]),
    }
    line |= {key: [result[key] for result in results] for key in LEARNT if key in results[0]}
    if "probabilities" in results[0]:
        first = next(iter(scores[0].values())).result["probabilities"]
        difference = np.abs(np.subtract(results[0]["probabilities"], first))
        line["largest_difference"] = float(difference.max())
    return line


def _rates(name: str, scores: list[dict[str, Score]]) -> list[float]:
    return [rate for score in scores for rate in score[name].rates]


def _most(found: list[dict[str, float]]) -> dict[str, float]:
    return {kind: max(memory[kind] for memory in found) for kind in found[0]}


def spread(values: list[float]) -> dict[str, float]:
    """Their median, minimum and maximum."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def show(name: str, case: dict[str, Any]) -> None:
    """Print a line for each contestant."""
    print(f"\n{name}: texts of {case['mean_tokens']} tokens, {case['steps']} steps")
    print(f"{'':22}{'tokens/s':>9}  {'steep is faster':<20}{'of peak':>8}{'MB':>7}{'GPU':>7}  loss")
    for who, line in case["contestants"].items():
        ratio = line["steep_ratio"]
        times = f"{ratio['median']:.2f} ({ratio['least']:.2f}..{ratio['most']:.2f})"
        share = line["share_of_peak"][case["precision"]]
        losses, memory = ", ".join(f"{x:.3f}" for x in line.get("loss", [])), line["peak_memory_mb"]
        print(
            f"{who:22}{line['tokens_per_second']['median']:9,.0f}  {times:<20}{share:8.1%}"
            f"{memory['resident']:7,.0f}{memory.get('gpu', 0):7,.0f}  {losses}",
            flush=True,
        )
