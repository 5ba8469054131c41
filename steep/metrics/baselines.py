"""Did a model learn anything? Its scores beside those of word counts, and of a constant answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.metrics.scores import METRICS, higher_is_better, percentiles, resampled, score
from steep.wording import NOTHING, number, plain, span

if TYPE_CHECKING:
    from steep.data.corpus import Task

CONSTANT, COUNTS = "constant", "word_counts"
Output = tuple["Task", np.ndarray]
"""What was predicted, and the task with the thresholds that decide it."""
LOSS, ERROR = "log_loss", "rmse"  # of probabilities, and of numbers: defined for a constant


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
    labels: np.ndarray,
    model: Output,
    baselines: Mapping[str, Output],
    metric: str,
    seed: int = 0,
) -> dict[str, Any]:
    """{"metric", "skill", "baselines": {name: {"value", "gain", "low", "high"}}}, as plain JSON.

    Arrays and errors as in `steep.metrics.scores.score`. `gain` is what the model is better by in
    `metric`, above 0 where it is the better one, with the 95 % interval of the paired bootstrap;
    None where the metric is undefined. `skill` is False where neither that nor the log loss (of
    a regression, the RMSE) shows the model to be better than the constant.
    """
    names, given = list(baselines), [model, *baselines.values()]
    asked = tuple(dict.fromkeys((metric, ERROR if model[0].kind == "regression" else LOSS)))
    values = [score(task, labels, one) for task, one in given]
    # The same rows are drawn each time: for the same seed and number of rows.
    drawn = [resampled(task, labels, [one], asked, seed=seed)[0] for task, one in given]
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


def own_value(compared: Mapping[str, Any]) -> float | None:
    """The model's own value of the metric, of what `beside` found; None where it is undefined."""
    sign = 1 if higher_is_better(compared["metric"]) else -1
    known = (found for found in compared["baselines"].values() if found["gain"] is not None)
    values = (one["value"] + sign * one["gain"] for one in known if one["value"] is not None)
    return next(values, None)


def behind(compared: Mapping[str, Any]) -> bool:
    """Whether the model learnt nothing, or does worse than word counts."""
    high = compared["baselines"].get(COUNTS, {}).get("high")
    return not compared["skill"] or (high is not None and high < 0)


def named(baseline: str, metric: str) -> str:
    """A baseline in words."""
    if baseline == COUNTS:
        return "word counts"
    answer = "same" if metric in METRICS["regression"] else "commonest"
    return f"always giving the {answer} answer"


def headline(compared: Mapping[str, Any]) -> str:
    """What has to be said first of a model, without a full stop; '' where nothing is known.

    `compared` is what `beside` found. The model is set beside word counts, or without them beside
    the constant.
    """
    metric, found = compared["metric"], compared["baselines"]
    own = own_value(compared)
    if not compared["skill"]:
        said = [f"{plain(metric)} {number(own)}"] if own is not None else []
        if (given := found.get(CONSTANT, {}).get("value")) is not None:
            said.append(f"{named(CONSTANT, metric)} has {number(given)}")
        return ": ".join(["Nothing was learnt", *filter(None, ["; ".join(said)])])
    known = [name for name in (COUNTS, CONSTANT) if found.get(name, {}).get("gain") is not None]
    if own is None or not known:
        return ""
    gain, low, high = (found[known[0]][key] for key in ("gain", "low", "high"))
    opening = "No clear difference from"
    if low is not None and high is not None and (low > 0 or high < 0):
        opening = "Better than" if low > 0 else "Worse than"
    side = "above" if (gain >= 0) is higher_is_better(metric) else "below"
    ends = span(low, high) if gain >= 0 or low is None or high is None else span(-high, -low)
    name = named(known[0], metric)
    return f"{opening} {name}: {plain(metric)} {number(own)}, {number(abs(gain))} {side} {name}" + (
        "" if ends == NOTHING else f" ({ends})"
    )
