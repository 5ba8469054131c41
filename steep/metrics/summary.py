"""What does an evaluation say? All about one set of predictions, as plain JSON and as lines.

The accuracy-coverage curve is that of selective classification (Geifman & El-Yaniv 2017).
"""

from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics.calibration import calibration
from steep.metrics.decisions import confidence, decide
from steep.metrics.scores import confusion, intervals, per_class, score

COVERAGE = 0.8  # share of rows whose accuracy is printed: the model abstains on the other 20 %
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


def summarise(
    task: Task, labels: np.ndarray, probabilities: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Rows, metrics with their 95 % intervals, scores by class, confusion, calibration, abstention.

    `none` is the exact match of predicting no label at all, where a row has several labels.

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
        "none": _none_right(labels) if task.kind == "multi" else None,
    }


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """A line per metric, such as 'accuracy 0.873 (0.861 to 0.884)'; then what else is known."""
    found = [_line(name, entry) for name, entry in summary["metrics"].items()]
    if summary.get("none") is not None and "exact_match" in summary["metrics"]:
        place = [*summary["metrics"]].index("exact_match")
        found[place] += f"; predicting no label for any row would have {summary['none']:.3f}"
    error, curve = summary["calibration"], summary["abstention"]
    if error:
        line = _line("ece", error | {"value": error["ece"]})
        found.append(f"{line}, calibration error in {error['bins']} bins")
    if curve:
        most = next(point for point in curve["curve"] if point["coverage"] == COVERAGE)
        found.append(
            f"{curve['metric']} {most['value']:.3f} on the {COVERAGE:.0%} of rows with the highest "
            f"confidence; mean over all coverages {curve['area']:.3f}"
        )
    return found


def _none_right(labels: np.ndarray) -> float:
    """The share of rows that have no label."""
    return float((np.asarray(labels) <= 0.5).all(axis=1).mean())


def _entry(value: float, ends: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = ends or (None, None)
    return {"value": value, "low": low, "high": high}


def _line(name: str, entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return f"{name} {entry['value']:.3f}"
    return f"{name} {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def abstention(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any] | None:
    """{"metric", "area", "curve": [{"coverage", "rows", "value", "least"}]}; None for regression.

    `value` is the accuracy (single), or the share of rows with every label right (multi), of the
    `rows` with the highest confidence; `least` is its confidence in the last of them, which
    is what `--abstain-below` takes. Rows of equal confidence count with their mean, whatever their
    order. `area` is the mean of the accuracy over all coverages: 1 less the area under the
    risk-coverage curve.
    """
    if task.kind == "regression":
        return None
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    decided, given = decide(task, probabilities), confidence(task, probabilities)
    right = decided == labels if task.kind == "single" else (decided == (labels > 0.5)).all(axis=1)
    order = np.argsort(-given, kind="stable")
    values, ties = np.unique(-given, return_inverse=True)
    fair = np.bincount(ties, right) / np.bincount(ties)  # the expected accuracy within a tie
    accuracy = np.cumsum(fair[ties[order]]) / np.arange(1, len(order) + 1)
    counts = [max(1, round(coverage * len(order))) for coverage in COVERAGES]
    return {
        "metric": "accuracy" if task.kind == "single" else "exact_match",
        "area": float(accuracy.mean()),
        "curve": [
            {
                "coverage": coverage,
                "rows": count,
                "value": float(accuracy[count - 1]),
                "least": float(given[order[count - 1]]),
            }
            for coverage, count in zip(COVERAGES, counts, strict=True)
        ],
    }
