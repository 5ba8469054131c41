"""What does an evaluation say? All about one set of predictions, as plain JSON and as lines."""

from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics.intervals import intervals
from steep.metrics.scores import confusion, per_class, score


def summarise(
    task: Task, labels: np.ndarray, probabilities: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Rows, metrics with their 95 % intervals, scores by class, and the confusion matrix.

    Arrays and errors as in `metrics.score`; `confusion` is None but for single-label tasks.
    """
    ranges = intervals(task, labels, probabilities, resamples=resamples, seed=seed)
    values = score(task, labels, probabilities)
    return {
        "rows": len(labels),
        "metrics": {name: _entry(value, ranges.get(name)) for name, value in values.items()},
        "per_class": per_class(task, labels, probabilities),
        "confusion": confusion(task, labels, probabilities) if task.kind == "single" else None,
    }


def lines(summary: dict[str, Any]) -> list[str]:
    """A line per metric, such as 'accuracy 0.873 (0.861 to 0.884)'."""
    return [_line(name, entry) for name, entry in summary["metrics"].items()]


def _entry(value: float, ends: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = ends or (None, None)
    return {"value": value, "low": low, "high": high}


def _line(name: str, entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return f"{name} {entry['value']:.3f}"
    return f"{name} {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"
