"""Did a model learn anything? Its scores beside those of word counts, and of a constant answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.metrics.scores import higher_is_better, percentiles, resampled, score

if TYPE_CHECKING:
    from steep.data.corpus import Task

CONSTANT, COUNTS = "constant", "word_counts"
LOSS = "log_loss"


def constant(task: "Task", labels: np.ndarray, rows: int) -> np.ndarray:
    """What a model predicts for `rows` rows that knows the training `labels`, and no text.

    The share of each class or label, or the mean of the targets: float64 (rows, labels).
    """
    if task.kind == "single":
        shares = np.bincount(labels, minlength=len(task.labels)) / len(labels)
    else:
        shares = np.atleast_1d(np.asarray(labels, np.float64).mean(axis=0))
    return np.tile(shares, (rows, 1))


def beside(
    task: "Task",
    labels: np.ndarray,
    outputs: np.ndarray,
    baselines: Mapping[str, np.ndarray],
    metric: str,
    seed: int = 0,
) -> dict[str, Any]:
    """{"metric", "skill", "baselines": {name: {"value", "gain", "low", "high"}}}, as plain JSON.

    Arrays and errors as in `steep.metrics.scores.score`. `gain` is what the model is better by in
    `metric`, above 0 where it is the better one, with the 95 % interval of the paired bootstrap;
    None where the metric is undefined. `skill` is False where neither that nor the log loss shows
    the model to be better than the constant.
    """
    names = list(baselines)
    asked = (metric,) if task.kind == "regression" else (metric, LOSS)
    given = [outputs, *baselines.values()]
    values = [score(task, labels, one) for one in given]
    drawn = resampled(task, labels, given, asked, seed=seed)
    found = {
        name: {of: _gain(of, (values[0], values[i]), (drawn[0], drawn[i])) for of in asked}
        for i, name in enumerate(names, start=1)
    }
    better = [(found[CONSTANT][of]["low"] or 0.0) > 0 for of in asked] if CONSTANT in found else []
    return {
        "metric": metric,
        "skill": any(better) or not better,
        "baselines": {name: gains[metric] for name, gains in found.items()},
    }


def _gain(
    metric: str,
    values: tuple[Mapping[str, float], Mapping[str, float]],
    drawn: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
) -> dict[str, float | None]:
    """How much better the first of two is in `metric`, with its interval."""
    sign = 1 if higher_is_better(metric) else -1
    own, other = (value.get(metric) for value in values)
    gains = sign * (drawn[0][metric] - drawn[1][metric])
    gains = gains[np.isfinite(gains)]
    if own is None or other is None or not len(gains):
        return {"value": other, "gain": None, "low": None, "high": None}
    low, high = percentiles(gains)
    return {"value": other, "gain": sign * (own - other), "low": low, "high": high}
