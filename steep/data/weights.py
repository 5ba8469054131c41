"""How much does each training row count? A column of example weights, and weights of rare labels.

Only proportions matter: weights are scaled to a mean of 1 over the training rows (of several
labels, over the rows for each label), so that the learning rate keeps its meaning and a row of
weight 0 is ignored.
"""

import numpy as np

from steep.args.training import LossArgs
from steep.data.corpus import Corpus, Task
from steep.data.raw import Column
from steep.errors import SteepError
from steep.wording import quoted, some, split_at_commas

BETA = 0.999  # Cui 2019 tries 0.9 to 0.9999
LIGHTEST, HEAVIEST = 1e-6, 1_000_000  # of the weights that are given by name
MANY = 30  # labels that messages name
FORMS = "none, balanced, effective, effective:0.99 or NAME=NUMBER,..."


def example_weights(column: Column) -> np.ndarray:
    """A column of weights, float64 (n,).

    Raises SteepError at a cell that is no number, or a negative one, or if all are 0.
    """
    weights = column.numbers("a weight of 0 or more", least=0)
    if not weights.any():
        raise SteepError(f"{column.where}: every weight is 0; nothing could be learnt.")
    return weights


def check_loss(task: Task, loss: LossArgs) -> None:
    """Raises SteepError if the options of the loss do not suit the task."""
    by_class = _named(task, loss.class_weights)
    if task.kind == "regression":
        wrong = {
            "class_weights": loss.class_weights != "none",
            "loss": loss.loss != "cross-entropy",
            "label_smoothing": loss.label_smoothing > 0,
        }
        for name in (name for name, given in wrong.items() if given):
            raise SteepError(f"{name}: a regression has no classes. Leave the option out.")
    for label in (by_class or {}).keys() - {*task.labels}:
        raise SteepError(
            f"class_weights: there is no label {quoted(label)}. The labels are "
            f"{some(task.labels, MANY)}."
        )


def of_rows(train: Corpus, task: Task, loss: LossArgs) -> np.ndarray | None:
    """Weights of the training rows, float64 (n,), or (n, labels) of several labels; None for all 1.

    A row of several labels has one weight for each: that of the label where it has it, that of its
    absence where not. Raises SteepError if every row that is used has weight 0.
    """
    plain, by_class = train.weights(), loss.class_weights
    if by_class == "none" and "weight" not in train.table.column_names:
        return None
    labels = train.labels()
    counts = _each_class(task, labels, by_class)
    weights = counts * (plain if counts.ndim == 1 else plain[:, None])
    means = weights.mean(axis=0)
    if not np.all(means > 0):
        raise SteepError("Every training row that is used has weight 0; nothing could be learnt.")
    return weights / means


def _each_class(task: Task, labels: np.ndarray, by_class: str) -> np.ndarray:
    """How much rows count by their classes: (n,) single, (n, labels) multi."""
    if task.kind == "regression" or (by_class == "none" and task.kind == "single"):
        return np.ones(len(labels))
    if task.kind == "single":
        counts = np.bincount(labels, minlength=len(task.labels))
        return _per_class(task, counts, by_class)[labels]
    truth = labels > 0.5
    have = truth.sum(axis=0)
    off = "none" if _named(task, by_class) is not None else by_class
    lack = _rarity(len(truth) - have, off)
    return np.where(truth, _per_class(task, have, by_class), lack)


def _per_class(task: Task, counts: np.ndarray, by_class: str) -> np.ndarray:
    """The weight of each class (labels,), up to a common factor."""
    named = _named(task, by_class)
    if named is not None:
        return np.array([named.get(label, 1.0) for label in task.labels])
    return _rarity(counts, by_class)


def _rarity(counts: np.ndarray, rule: str) -> np.ndarray:
    """Weights of classes with so many rows, up to a common factor.

    balanced: 1 / count, as in scikit-learn (King & Zeng 2001, "Logistic regression in rare events
    data"). effective: 1 / (1 - beta^count), the effective number of rows where each one also
    covers its neighbours (Cui, Jia, Lin, Song & Belongie 2019, "Class-balanced loss based on
    effective number of samples", equation 4).
    """
    if rule == "none":
        return np.ones(len(counts))
    counts = np.maximum(counts, 1)  # the weight of a class without rows is never used
    name, _, beta = rule.partition(":")
    return 1.0 / counts if name == "balanced" else 1 / (1 - float(beta or BETA) ** counts)


def _named(task: Task, text: str) -> dict[str, float] | None:
    """The weights that the user gives by name; None for a rule. SteepError for what is neither."""
    name, _, beta = text.partition(":")
    if text in ("none", "balanced", "effective"):
        return None
    try:
        if name == "effective" and 0 <= float(beta) < 1:
            return None
        commas = max((label.count(",") for label in task.labels), default=0)
        parts = split_at_commas(text, lambda part: _label(part) in task.labels, commas)
        found = {_label(part): float(part.rpartition("=")[2]) for part in parts if "=" in part}
    except ValueError:
        parts, found = [text], {}
    if len(found) != len(parts) or not all(LIGHTEST <= w <= HEAVIEST for w in found.values()):
        raise SteepError(
            f"class_weights {quoted(text)}: expected {FORMS}, with numbers from {LIGHTEST:g} to "
            f"{HEAVIEST:,}."
        )
    return found


def _label(part: str) -> str:
    """The name in NAME=NUMBER."""
    return part.rpartition("=")[0].strip()
