"""How do several arms of one measurement differ from one of them, paired by seed? Lines of a table.

The gain, its interval and its p-value are those of a study (`steep.study.paired`); the p-values of
one table are corrected for their number by Holm's method.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics.scores import higher_is_better, resampled, score
from steep.metrics.weighted import support
from steep.seeds import numbers
from steep.study.paired import holm, paired_gain
from steep.study.verdict import CellResult


def lines(
    task: Task, labels: np.ndarray, cells: Sequence[CellResult], metric: str, against: str
) -> list[dict[str, Any]]:
    """One dictionary an arm, in the order of the cells: its values, and its gain.

    A gain is positive where the arm is better than `against`, in the metric's unit; that arm itself
    has none. A cell that diverged has no value, and its seed is left out of the gain.
    """
    kept = [cell for cell in cells if not cell.diverged]
    outputs = [cell.probabilities for cell in kept]
    drawn, rests_on = resampled(task, labels, outputs, (metric,)), support(task, labels, metric)
    values: dict[str, dict[int, float]] = {cell.arm: {} for cell in cells}
    redrawn: dict[tuple[str, int], np.ndarray] = {}
    for cell, sample in zip(kept, drawn, strict=True):
        values[cell.arm][cell.seed] = score(task, labels, cell.probabilities)[metric]
        redrawn[cell.arm, cell.seed] = sample[metric]
    sign = 1 if higher_is_better(metric) else -1
    found = []
    for arm, own in values.items():
        seconds = [cell.seconds for cell in cells if cell.arm == arm]
        line: dict[str, Any] = {"arm": arm, "values": list(own.values()), "seeds": list(own)}
        line["mean"] = float(np.mean(line["values"])) if own else None
        line["seconds"] = float(np.mean(seconds))
        seeds = [seed for seed in own if seed in values[against]]
        if arm != against and seeds:
            differ = np.array([sign * (own[seed] - values[against][seed]) for seed in seeds])
            pairs = [sign * (redrawn[arm, seed] - redrawn[against, seed]) for seed in seeds]
            stream = numbers(0, "bootstrap", "seeds")
            line |= paired_gain(differ, np.stack(pairs, axis=1), rests_on, 0.0, stream)
        found.append(line)
    corrected = holm([line.get("p_value") for line in found])
    return [line | {"p_holm": p} for line, p in zip(found, corrected, strict=True)]


def values(line: dict[str, Any]) -> str:
    """The mean of an arm, and its value with each seed."""
    if line["mean"] is None:
        return "diverged"
    return f"{line['mean']:.3f} ({', '.join(f'{value:.3f}' for value in line['values'])})"


def gain(line: dict[str, Any]) -> str:
    """The gain in the metric's unit, and its interval; a dash where there is none."""
    if "gain" not in line:
        return "–"
    if line["low"] is None:
        return f"{line['gain']:+.3f}"
    return f"{line['gain']:+.3f} ({line['low']:+.3f} to {line['high']:+.3f})"


def chance(line: dict[str, Any]) -> str:
    """The corrected p-value; a dash where there is none."""
    p_value = line["p_holm"]
    if p_value is None:
        return "–"
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
