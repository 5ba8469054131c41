"""What does a linear model reach on frozen features, and which of two encoders has the better ones?

The linear probe (Peters et al. 2019, "To Tune or Not to Tune?", call it feature extraction). How
sure it is says the bootstrap of the validation rows, the same ones for all encoders: differences
are paired.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steep.metrics.scores import higher_is_better, primary, resampled, score
from steep.metrics.weighted import THOUSAND, Draws
from steep.metrics.word_counts import Predict, fitted_classifier

if TYPE_CHECKING:
    from steep.data.corpus import Task

ITERATIONS = 1000
CLEAR = 2.0  # standard errors from which on a difference is hardly chance

Featured = tuple[np.ndarray, np.ndarray]
"""Features (n, size), and labels as `Corpus.labels` gives them."""


@dataclass(frozen=True)
class Probed:
    """The score of a probe by `metric`, and that on each resample of its rows, (resamples,)."""

    metric: str
    score: float
    drawn: np.ndarray

    @property
    def error(self) -> float:
        """The standard error of the score: how far other validation rows would move it."""
        return float(np.nanstd(self.drawn))

    def above(self, other: "Probed") -> tuple[float, float]:
        """How much better this score is than another's on the same rows, and its standard error."""
        sign = 1 if higher_is_better(self.metric) else -1
        return sign * (self.score - other.score), float(np.nanstd(self.drawn - other.drawn))


def probed(task: "Task", train: Featured, valid: Featured, draws: Draws = THOUSAND) -> Probed:
    """The task's first metric on `valid` of a linear model of `train`, with its resamples."""
    metric, found = primary(task), _predicted(task, *train, valid[0])
    (drawn,) = resampled(task, valid[1], [found], (metric,), draws)
    return Probed(metric, _scored(task, valid[1], found), drawn[metric])


def linear_score(task: "Task", train: Featured, valid: Featured) -> float:
    """The task's first metric on `valid` of a linear model of `train`.

    NaN where the metric is undefined on these rows.
    """
    return _scored(task, valid[1], _predicted(task, *train, valid[0]))


def _scored(task: "Task", labels: np.ndarray, found: np.ndarray) -> float:
    return score(task, labels, found).get(primary(task), float("nan"))


def _predicted(task: "Task", x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """What a linear model of features `x` and labels `y` says of `asked`, as `score` takes it.

    Features are standardised; logistic regression (one for each label, where there are several) or
    ridge regression.
    """
    if task.kind == "regression":
        return make_pipeline(StandardScaler(), Ridge()).fit(x, y).predict(asked)
    if task.kind == "multi":
        return np.stack([_standardised(x, column, 2)(asked)[:, 1] for column in y.T], axis=1)
    return _standardised(x, y, len(task.labels))(asked)


def _standardised(x: np.ndarray, y: np.ndarray, classes: int) -> Predict:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    return fitted_classifier(model, x, y, classes)
