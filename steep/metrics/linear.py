"""How much does a linear model read out of features? And classifiers that may lack a class."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steep.data.corpus import Task
from steep.metrics.scores import primary, score

ITERATIONS = 1000

Classifier = Callable[[Any], np.ndarray]
"""Features (n, size), dense or sparse -> probabilities float64 (n, classes)."""


def linear_score(
    task: Task,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray],
) -> float:
    """The task's first metric on `valid` of a linear model of `train`.

    Each is features (n, size) and labels as `Corpus.labels` gives them. Features are standardised;
    logistic regression (one for each label, where there are several) or ridge regression. NaN where
    the metric is undefined on these rows.
    """
    found = _predicted(task, *train, valid[0])
    return score(task, valid[1], found).get(primary(task), float("nan"))


def fitted_classifier(
    model: Any,
    features: Any,
    labels: np.ndarray,
    classes: int,
    weights: np.ndarray | None = None,
) -> Classifier:
    """`model`, a scikit-learn classifier, fitted; also where rows of some classes are missing.

    `features` are (n, size), dense or sparse; `labels` (n,) class indices below `classes`;
    `weights` (n,), if any, are those of the rows. A class without rows gets probability 0, an only
    class 1.
    """
    labels = labels.astype(np.int64)
    known = np.unique(labels)
    alone = len(known) == 1
    if not alone:
        given = {} if weights is None else {"sample_weight": weights}
        model = model.fit(features, labels, **given)

    def probabilities(asked: Any) -> np.ndarray:
        found = np.zeros((asked.shape[0], classes))
        found[:, known] = 1.0 if alone else model.predict_proba(asked)
        return found

    return probabilities


def _predicted(task: Task, x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    if task.kind == "regression":
        return make_pipeline(StandardScaler(), Ridge()).fit(x, y).predict(asked)
    if task.kind == "multi":
        return np.stack([_logistic(x, column, 2)(asked)[:, 1] for column in y.T], axis=1)
    return _logistic(x, y, len(task.labels))(asked)


def _logistic(x: np.ndarray, y: np.ndarray, classes: int) -> Classifier:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    return fitted_classifier(model, x, y, classes)
