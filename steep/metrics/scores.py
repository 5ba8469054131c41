"""How good are predictions, and how much would other rows change that? All metrics and intervals.

Definitions are scikit-learn's (`sklearn.metrics`), which the tests compare them with. Intervals are
the percentile bootstrap's: rows are drawn with replacement (Efron & Tibshirani 1993, chapter 13).
Where rows belong together, whole groups are drawn (Davison & Hinkley 1997, section 3.8). Intervals
say how far a value could be off because these rows, and not others, were in the test, and nothing
about another training seed. At the edge of the scale (every row right) they are too narrow: 20
right of 20 gives 1 to 1.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.errors import SteepError
from steep.metrics.calibration import decide
from steep.metrics.weighted import (
    BY_CLASS,
    THOUSAND,
    Draws,
    Weighted,
    auc,
    average,
    kappa,
    macro_f1,
    mean,
    mean_auc,
    micro_f1,
    r2,
    spearman,
    support,
    surprise,
)

if TYPE_CHECKING:
    from steep.data.corpus import Task

METRICS = {
    "single": ("accuracy", "macro_f1", "micro_f1", "auc", "log_loss"),
    "multi": ("auc", "macro_f1", "micro_f1", "exact_match", "log_loss"),
    "regression": ("rmse", "mae", "spearman", "r2"),
}
ORDERED = ("mae", "kappa")  # of ordered classes; mae in classes, kappa quadratic (Cohen 1968)
_PRIMARY = {"single": "accuracy", "multi": "auc", "regression": "rmse"}
_LOWER_IS_BETTER = ("log_loss", "rmse", "mae")
CONFIDENCE = 0.95


def metric_names(task: "Task") -> tuple[str, ...]:
    """The metrics that are computed for a task; of several targets, those over all of them."""
    return METRICS[task.kind] + (ORDERED if task.ordered else ())


def primary(task: "Task") -> str:
    """The metric that counts most by default."""
    if task.kind == "regression" and len(task.labels) > 1:
        return "r2"  # targets differ in their units
    return _PRIMARY[task.kind]


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of `metric` is the better one."""
    return metric not in _LOWER_IS_BETTER


def check_metric(task: "Task", name: str) -> str:
    """`name` itself; SteepError, naming the known ones, if this kind of task has no such metric."""
    known = metric_names(task)
    if name not in known:
        raise SteepError(
            f"There is no metric '{name}' for a {task.kind} task. Choose one of {', '.join(known)}."
        )
    return name


def defined(task: "Task", name: str, labels: np.ndarray) -> bool:
    """Whether the metric can be computed on rows with these labels (an AUC needs two classes)."""
    shape = labels.shape if task.kind != "single" else (len(labels), len(task.labels))
    return name in score(task, labels, np.full(shape, 1 / len(task.labels)))


def score(task: "Task", labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Every metric that is defined on these rows.

    labels: int64 (n,) class indices (single), 0/1 (n, L) (multi), targets (n,) or (n, targets)
    (regression).
    probabilities: (n, classes) (single), (n, L) (multi), predictions (regression).
    Undefined metrics (AUC of one class only, say) are left out. `auc` is that of class 1 (two
    classes), one class against the rest, averaged over the classes present (more), or averaged
    over the labels that have both values (multi). Raises SteepError on predictions that are not
    finite or do not fit the labels.
    """
    ones = np.ones((1, len(labels)), np.float32)
    values = {name: of(ones)[0] for name, of in metrics(task, labels, probabilities).items()}
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def metrics(task: "Task", labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Weighted]:
    """Every metric of the task as a function of row weights; arguments and errors as in `score`."""
    labels, probabilities = checked(task, labels, probabilities)
    if task.kind == "single":
        decided = decide(task, probabilities)
        found = _single(labels, probabilities, decided)
        if task.ordered:
            found |= {"mae": mean(np.abs(labels - decided)), "kappa": kappa(labels, decided)}
        return found
    if task.kind == "multi":
        return _multi(labels > 0.5, probabilities, decide(task, probabilities))
    return _regression(task, labels.reshape(probabilities.shape), probabilities)


def per_class(task: "Task", labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """A dictionary per class: label, rows, precision, recall, f1, auc; None where undefined.

    Arrays and errors as in `score`. `rows` counts the rows that have the label. Empty for
    regression.
    """
    labels, probabilities = checked(task, labels, probabilities)
    if task.kind == "regression":
        return []
    if task.kind == "single":
        classes = np.arange(len(task.labels))
        truth = labels[:, None] == classes
        predicted = decide(task, probabilities)[:, None] == classes
    else:
        truth, predicted = labels > 0.5, decide(task, probabilities)
    return [
        {"label": label} | _scores(truth[:, i], predicted[:, i], probabilities[:, i])
        for i, label in enumerate(task.labels)
    ]


def confusion(task: "Task", labels: np.ndarray, probabilities: np.ndarray) -> list[list[int]]:
    """Rows of class i predicted as class j, in line i and column j (single tasks only)."""
    labels, probabilities = checked(task, labels, probabilities)
    counts = np.zeros((len(task.labels), len(task.labels)), np.int64)
    np.add.at(counts, (labels, decide(task, probabilities)), 1)
    return counts.tolist()


def _scores(truth: np.ndarray, predicted: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    hits, rows, claimed = (int(x.sum()) for x in (truth & predicted, truth, predicted))
    area = float(auc(truth, scores)(np.ones((1, len(truth)), np.float32))[0])
    return {
        "rows": rows,
        "precision": hits / claimed if claimed else None,
        "recall": hits / rows if rows else None,
        "f1": 2 * hits / (rows + claimed) if rows + claimed else None,
        "auc": area if np.isfinite(area) else None,
    }


def checked(
    task: "Task", labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and float64 predictions (n, columns) that fit each other; else SteepError."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if probabilities.ndim == 1:
        probabilities = probabilities[:, None]
    if len(labels) == 0:
        raise SteepError("There are no labelled rows to evaluate on.")
    if probabilities.shape != (len(labels), len(task.labels)):
        raise SteepError(
            f"Predictions of shape {probabilities.shape} do not fit {len(labels)} rows "
            f"and {len(task.labels)} labels."
        )
    broken = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if broken:
        raise SteepError(
            f"The predictions of {broken} of {len(labels)} rows are not finite numbers: the "
            "training diverged. Lower the learning rate."
        )
    return labels, probabilities


def _single(
    labels: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray
) -> dict[str, Weighted]:
    classes = np.arange(probabilities.shape[1])
    truth = labels[:, None] == classes
    right = mean(predicted == labels)
    columns = [1] if len(classes) == 2 else list(classes)
    return {
        "accuracy": right,
        "macro_f1": macro_f1(truth, predicted[:, None] == classes),
        "micro_f1": right,
        "auc": mean_auc(truth[:, columns], probabilities[:, columns]),
        "log_loss": mean(surprise(probabilities[np.arange(len(labels)), labels])),
    }


def _multi(
    truth: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray
) -> dict[str, Weighted]:
    losses = surprise(np.where(truth, probabilities, 1 - probabilities))
    return {
        "auc": mean_auc(truth, probabilities),
        "macro_f1": macro_f1(truth, predicted),
        "micro_f1": micro_f1(truth, predicted),
        "exact_match": mean((truth == predicted).all(axis=1)),
        "log_loss": mean(losses.mean(axis=1)),
    }


def _regression(task: "Task", targets: np.ndarray, predictions: np.ndarray) -> dict[str, Weighted]:
    """The metrics of the one target; of several (n, targets) their means, and those of each."""
    each = [_target(*both) for both in zip(targets.T, predictions.T, strict=True)]
    if len(each) == 1:
        return each[0]
    means = {name: average([of[name] for of in each]) for name in METRICS["regression"]}
    named = zip(task.labels, each, strict=True)
    return means | {f"{name}_{label}": f for label, of in named for name, f in of.items()}


def _target(targets: np.ndarray, predictions: np.ndarray) -> dict[str, Weighted]:
    squared = mean((targets - predictions) ** 2)
    return {
        "rmse": lambda weights: np.sqrt(squared(weights)),
        "mae": mean(np.abs(targets - predictions)),
        "spearman": spearman(targets, predictions),
        "r2": r2(targets, predictions),
    }


def intervals(
    task: "Task",
    labels: np.ndarray,
    probabilities: np.ndarray,
    draws: Draws = THOUSAND,
) -> dict[str, tuple[float, float]]:
    """Lower and upper end of the 95 % interval of every metric; arrays and errors as in `score`.

    Where a metric rests on few rows of a class, or on few groups, its interval is wider
    (`steep.metrics.weighted`). Resamples in which a metric is undefined (no row of a class drawn,
    say) do not count for it. There is no interval where all rows are of one group.
    """
    if not draws.vary:
        return {}
    (values,) = resampled(task, labels, [probabilities], draws=draws)
    found = {}
    for name, drawn in values.items():
        if len(defined := drawn[np.isfinite(drawn)]):
            found[name] = percentiles(defined, level(task, labels, name, draws.groups))
    return found


def level(task: "Task", labels: np.ndarray, metric: str, groups: np.ndarray | None = None) -> float:
    """The share of resamples that the 95 % interval of a metric holds, wider where that is due.

    Of rows that do not belong together only metrics that rest on a class can be: a test of few
    rows, all alike, has the plain interval.
    """
    if groups is None and metric not in BY_CLASS:
        return CONFIDENCE
    return support(task, labels, metric, groups).level(CONFIDENCE)


def percentiles(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The range that holds the middle `confidence` of the values."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def resampled(
    task: "Task",
    labels: np.ndarray,
    outputs: Sequence[np.ndarray],
    names: tuple[str, ...] | None = None,
    draws: Draws = THOUSAND,
) -> list[dict[str, np.ndarray]]:
    """Metrics `names` (default: all) of each of the outputs on each resample, NaN where undefined.

    `outputs` are probabilities or predictions of several models, each as in `score`; every array
    that is returned is float64 (resamples,). The same rows are drawn for all of them, and for equal
    `draws` and as many rows, so that values of two models on one test set are paired.
    """
    wanted = names or metric_names(task)
    models = [metrics(task, labels, probabilities) for probabilities in outputs]
    parts: list[dict[str, list[np.ndarray]]] = [{name: [] for name in wanted} for _ in models]
    for weights in draws.weights(len(labels)):
        for every, part in zip(models, parts, strict=True):
            for name in wanted:
                part[name].append(every[name](weights))
    return [{name: np.concatenate(drawn) for name, drawn in part.items()} for part in parts]
