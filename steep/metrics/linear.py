"""How much does a linear model read out of features? A probe, by scikit-learn."""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steep.data.corpus import Task
from steep.metrics.scores import primary, score

ITERATIONS = 1000


def linear_score(
    task: Task,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray],
) -> float:
    """The task's first metric on `valid` of a linear model of `train`.

    Each is features (n, size) and labels as `Corpus.labels` gives them. Features are standardised;
    logistic regression (one a label, where there are several) or ridge regression. NaN where the
    metric is undefined on these rows.
    """
    found = _predicted(task, *train, valid[0])
    return score(task, valid[1], found).get(primary(task), float("nan"))


def _predicted(task: Task, x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    if task.kind == "regression":
        return make_pipeline(StandardScaler(), Ridge()).fit(x, y).predict(asked)
    if task.kind == "multi":
        return np.stack([_classes(x, column, asked, 2)[:, 1] for column in y.T.astype(int)], axis=1)
    return _classes(x, y, asked, len(task.labels))


def _classes(x: np.ndarray, y: np.ndarray, asked: np.ndarray, count: int) -> np.ndarray:
    """Probabilities (asked, count); 0 for a class of which there is no row to learn from."""
    known = np.unique(y)
    found = np.zeros((len(asked), count))
    if len(known) == 1:
        found[:, known] = 1.0
        return found
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS)).fit(x, y)
    found[:, known] = model.predict_proba(asked)
    return found
