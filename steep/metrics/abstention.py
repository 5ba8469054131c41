"""How accurate is a model that may leave the rows it is least confident of to a person?

The accuracy-coverage curve of selective classification (Geifman & El-Yaniv 2017).
"""

from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics.thresholds import confidence, decide

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


def abstention(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any] | None:
    """{"metric", "area", "curve": [{"coverage", "rows", "value", "least"}]}; None for regression.

    `value` is the accuracy (single), or the share of rows with every label right (multi), of the
    `rows` that the model is most confident of; `least` is its confidence in the last of them, which
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
