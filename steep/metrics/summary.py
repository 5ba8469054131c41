"""What does an evaluation say? All about one set of predictions, as plain JSON and as lines.

Whether the model learnt anything says `beside`: word counts, and a constant answer.

The accuracy-coverage curve is that of selective classification (Geifman & El-Yaniv 2017).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.metrics.calibration import calibration, confidence, decide
from steep.metrics.scores import (
    METRICS,
    confusion,
    higher_is_better,
    intervals,
    level,
    per_class,
    percentiles,
    resampled,
    score,
)
from steep.metrics.weighted import FEW_GROUPS, THOUSAND, Draws
from steep.wording import NOTHING, counted, number, plain, span

if TYPE_CHECKING:
    from steep.data.corpus import Task

COVERAGE = 0.8  # share of rows whose accuracy is printed: the model abstains on the other 20 %
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
CONSTANT, COUNTS = "constant", "word_counts"
Output = tuple["Task", np.ndarray]
"""What was predicted, and the task with the thresholds that decide it."""
LOSS, ERROR = "log_loss", "rmse"  # of probabilities, and of numbers: defined for a constant


def summarise(
    task: "Task", labels: np.ndarray, probabilities: np.ndarray, draws: Draws = THOUSAND
) -> dict[str, Any]:
    """Rows and groups, metrics with 95 % intervals, scores by class, confusion, and what follows.

    `groups` is None where rows do not belong together; `none` is the exact match of predicting no
    label at all, where a row has several labels.

    Arrays and errors as in `metrics.score`. `confusion` is None except for single-label tasks,
    `calibration` and `abstention` are None for regression. Decisions are those of the task's
    thresholds.
    """
    ranges = intervals(task, labels, probabilities, draws)
    values = score(task, labels, probabilities)
    return {
        "rows": len(labels),
        "groups": None if draws.groups is None else len(np.unique(draws.groups)),
        "metrics": {name: _entry(value, ranges.get(name)) for name, value in values.items()},
        "per_class": per_class(task, labels, probabilities),
        "confusion": confusion(task, labels, probabilities) if task.kind == "single" else None,
        "calibration": calibration(task, labels, probabilities, draws),
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
    if (groups := summary.get("groups")) is not None and groups < FEW_GROUPS:
        count = counted(groups, "group")
        found.append(
            f"only {count} of rows: intervals from so few are rough, and may be misleading"
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


def abstention(
    task: "Task", labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, Any] | None:
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
    draws: Draws = THOUSAND,
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
    # The same rows are drawn each time: for the same draws and number of rows.
    drawn = [resampled(task, labels, [one], asked, draws)[0] for task, one in given]
    wide = {of: level(model[0], labels, of, draws.groups) for of in asked}
    found = {
        name: {
            of: _gain(of, (values[0], values[i]), (drawn[0], drawn[i]), wide[of]) for of in asked
        }
        for i, name in enumerate(names, start=1)
    }
    end = "low" if draws.vary else "gain"
    better = [(found[CONSTANT][of][end] or 0.0) > 0 for of in asked] if CONSTANT in found else []
    if not draws.vary:
        for gains in found.values():
            gains[metric] |= {"low": None, "high": None}
    return {
        "metric": metric,
        "skill": any(better) or not better,
        "baselines": {name: gains[metric] for name, gains in found.items()},
    }


def _gain(
    metric: str,
    values: tuple[Mapping[str, float], Mapping[str, float]],
    drawn: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
    confidence: float,
) -> dict[str, float | None]:
    """How much better the first of two is in `metric`, with its interval."""
    sign = 1 if higher_is_better(metric) else -1
    own, other = (value.get(metric) for value in values)
    gains = sign * (drawn[0][metric] - drawn[1][metric])
    gains = gains[np.isfinite(gains)]
    if own is None or other is None or not len(gains):
        return {"value": other, "gain": None, "low": None, "high": None}
    low, high = percentiles(gains, confidence)
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
    constant = "mean" if metric in METRICS["regression"] else "most frequent class"
    return f"always predicting the {constant}"


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
        ahead = (found.get(CONSTANT, {}).get("gain") or 0.0) > 0  # by too little for these rows
        opening = "Not clearly better than chance" if ahead else "Nothing was learnt"
        return ": ".join([opening, *filter(None, ["; ".join(said)])])
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
