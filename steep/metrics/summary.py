"""What does an evaluation say? All about one set of predictions, as plain JSON and as lines."""

from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics.abstention import abstention
from steep.metrics.calibration import calibration
from steep.metrics.intervals import intervals
from steep.metrics.scores import confusion, per_class, score

COVERAGE = 0.8  # share of rows whose accuracy is printed: the model abstains on the other 20 %


def summarise(
    task: Task, labels: np.ndarray, probabilities: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Rows, metrics with their 95 % intervals, scores by class, confusion, calibration, abstention.

    Arrays and errors as in `metrics.score`. `confusion` is None except for single-label tasks,
    `calibration` and `abstention` are None for regression. Decisions are those of the task's
    thresholds.
    """
    ranges = intervals(task, labels, probabilities, resamples=resamples, seed=seed)
    values = score(task, labels, probabilities)
    return {
        "rows": len(labels),
        "metrics": {name: _entry(value, ranges.get(name)) for name, value in values.items()},
        "per_class": per_class(task, labels, probabilities),
        "confusion": confusion(task, labels, probabilities) if task.kind == "single" else None,
        "calibration": calibration(task, labels, probabilities, resamples, seed),
        "abstention": abstention(task, labels, probabilities),
    }


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """A line per metric, such as 'accuracy 0.873 (0.861 to 0.884)'; then what else is known."""
    found = [_line(name, entry) for name, entry in summary["metrics"].items()]
    error, curve = summary["calibration"], summary["abstention"]
    if error:
        entry = {"value": error["ece"], "low": error["low"], "high": error["high"]}
        found.append(f"{_line('ece', entry)}, calibration error in {error['bins']} bins")
    if curve:
        most = next(point for point in curve["curve"] if point["coverage"] == COVERAGE)
        found.append(
            f"{curve['metric']} {most['value']:.3f} on the most confident {COVERAGE:.0%} of rows; "
            f"mean over all shares {curve['area']:.3f}"
        )
    return found


def _entry(value: float, ends: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = ends or (None, None)
    return {"value": value, "low": low, "high": high}


def _line(name: str, entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return f"{name} {entry['value']:.3f}"
    return f"{name} {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"
