"""How is a metric computed for many resamples at once? Building blocks, functions of weights.

A metric is a function of row weights: weights of one give its value on the sample, the counts of
a bootstrap resample its value on that resample. One definition therefore serves both, and
everything that does not depend on the weights (sorting, above all) is done once.
"""

from collections.abc import Callable

import numpy as np

Weighted = Callable[[np.ndarray], np.ndarray]
"""Row weights (resamples, rows) -> values (resamples,), NaN where undefined."""


def surprise(probabilities: np.ndarray) -> np.ndarray:
    """-log p, kept finite as scikit-learn does."""
    return -np.log(np.clip(probabilities, np.finfo(np.float64).eps, 1))


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """over / under in float64, NaN where `under` is 0 (give or take a rounding error)."""
    undefined = np.full(over.shape, np.nan)
    return np.divide(over, under, out=undefined, where=under > 1e-12, dtype=np.float64)


def mean(values: np.ndarray) -> Weighted:
    """The weighted mean of `values` (n,)."""
    values = values.astype(np.float64)
    return lambda weights: weights @ values / weights.sum(axis=1)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN if nothing is left."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))


def average(metrics: list[Weighted]) -> Weighted:
    """The mean of the values of several metrics that are defined."""
    return lambda weights: mean_of_defined(np.stack([of(weights) for of in metrics], axis=-1))


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> Weighted:
    """F1 of each column (bool, n x classes), averaged over the classes that occur."""
    hits, claims = (truth & predicted).astype(np.float64), truth.astype(np.float64) + predicted
    return lambda weights: mean_of_defined(ratio(2.0 * (weights @ hits), weights @ claims))


def micro_f1(truth: np.ndarray, predicted: np.ndarray) -> Weighted:
    """F1 over all cells of the matrices (bool, n x labels) together."""
    hits = (truth & predicted).sum(axis=1, dtype=np.float64)
    claims = truth.sum(axis=1, dtype=np.float64) + predicted.sum(axis=1)
    return lambda weights: ratio(2 * (weights @ hits), weights @ claims)


def mean_auc(truth: np.ndarray, scores: np.ndarray) -> Weighted:
    """Mean of the AUCs of the columns that hold both values."""
    columns = [auc(truth[:, i], scores[:, i]) for i in range(truth.shape[1])]
    return lambda weights: mean_of_defined(np.stack([of(weights) for of in columns], axis=-1))


def auc(positive: np.ndarray, scores: np.ndarray) -> Weighted:
    """Area under the ROC curve of `scores` (n,) for the rows `positive` (bool, n).

    The normalised Mann-Whitney statistic on mid-ranks (Hanley & McNeil 1982): ties count one half.
    """
    ranks, rows = _ranks(scores, positive), np.flatnonzero(positive)

    def weighted(weights: np.ndarray) -> np.ndarray:
        mine = weights[:, rows].astype(np.float64)
        positives = mine.sum(axis=1)
        negatives = weights.sum(axis=1) - positives
        # Positives ranked among themselves contribute positives^2 / 2, whatever their scores.
        wins = (mine * ranks(weights)).sum(axis=1) - positives**2 / 2
        return ratio(wins, positives * negatives)

    return weighted


def r2(targets: np.ndarray, predictions: np.ndarray) -> Weighted:
    """Share of the variance of `targets` (n,) explained; undefined where they are all alike."""
    scale = np.ptp(targets) or 1.0  # so that what counts as no variance does not depend on units
    centred = (targets - np.median(targets)) / scale
    error = mean(((targets - predictions) / scale) ** 2)
    first, second = mean(centred), mean(centred**2)
    return lambda weights: 1 - ratio(error(weights), second(weights) - first(weights) ** 2)


def kappa(truth: np.ndarray, predicted: np.ndarray) -> Weighted:
    """Agreement beyond chance of numbers (n,): 1 less their squared distance over that by chance.

    By chance, truth and prediction are independent: E (t - p)^2 = E t^2 + E p^2 - 2 E t E p.
    """
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
    t, p, apart = mean(truth), mean(predicted), mean((truth - predicted) ** 2)
    squares = mean(truth**2 + predicted**2)
    return lambda weights: 1 - ratio(apart(weights), squares(weights) - 2 * t(weights) * p(weights))


def spearman(targets: np.ndarray, predictions: np.ndarray) -> Weighted:
    """Correlation of the mid-ranks of `targets` and `predictions` (n,)."""
    every = np.ones(len(targets), bool)
    first, second = _ranks(targets, every), _ranks(predictions, every)

    def weighted(weights: np.ndarray) -> np.ndarray:
        middle = weights.sum(axis=1, keepdims=True) / 2
        x, y = first(weights) - middle, second(weights) - middle
        spread = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
        return ratio((weights * x * y).sum(axis=1), np.sqrt(spread))

    return weighted


def _ranks(values: np.ndarray, of: np.ndarray) -> Weighted:
    """Mid-ranks (less one half) of the rows `of` (bool, n): weights (b, n) -> (b, of.sum())."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    below = np.searchsorted(ascending, values[of], side="left")
    upto = np.searchsorted(ascending, values[of], side="right")

    def weighted(weights: np.ndarray) -> np.ndarray:
        reached = np.zeros((len(weights), len(values) + 1))
        np.cumsum(weights[:, order], axis=1, dtype=np.float64, out=reached[:, 1:])
        return (reached[:, below] + reached[:, upto]) / 2

    return weighted
