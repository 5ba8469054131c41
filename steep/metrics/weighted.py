"""How is a metric computed for many resamples at once, and on how much does its interval rest?

A metric is a function of row weights: weights of one give its value on the sample, the counts of
a bootstrap resample its value on that resample. One definition therefore serves both, and
everything that does not depend on the weights (sorting, above all) is done once.

An interval knows how much rows (or groups) differ from those that there are. With few of them it
knows that badly, and the bootstrap takes it for less than it is: with n alike, for (n - 1) / n of
the variance. What counts is

- groups, where rows belong together: those of other sizes as so many of equal size,
  (sum n)^2 / sum n^2 (Kish 1965, "Survey Sampling", section 8.2);
- of AUC and macro F1, the rows (or groups) of the rarer kind of each class or label: an AUC of 5
  positives rests on 5 rows, however many negatives there are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steep.seeds import numbers

if TYPE_CHECKING:
    from steep.data.corpus import Task

ROWS, GROUPS = "test rows", "groups of rows"
ENOUGH = 100  # from so many on, nothing is widened
FEW_GROUPS = 20  # below so many, what an interval says is rough
LEAST = 1 + 1e-9  # units that have a variance
CELLS = 1_500_000  # resamples x rows computed at once: some tens of megabytes
BY_CLASS = ("auc", "macro_f1")  # metrics that rest on the rarer rows

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
    below, rows = ranks(scores, positive), np.flatnonzero(positive)

    def weighted(weights: np.ndarray) -> np.ndarray:
        mine = weights[:, rows].astype(np.float64)
        positives = mine.sum(axis=1)
        negatives = weights.sum(axis=1) - positives
        # Positives ranked among themselves contribute positives^2 / 2, whatever their scores.
        wins = (mine * below(weights)).sum(axis=1) - positives**2 / 2
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
    first, second = ranks(targets, every), ranks(predictions, every)

    def weighted(weights: np.ndarray) -> np.ndarray:
        middle = weights.sum(axis=1, keepdims=True) / 2
        x, y = first(weights) - middle, second(weights) - middle
        spread = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
        return ratio((weights * x * y).sum(axis=1), np.sqrt(spread))

    return weighted


def ranks(values: np.ndarray, of: np.ndarray) -> Weighted:
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


@dataclass(frozen=True, eq=False)
class Draws:
    """So many `resamples` of the rows, by `seed`.

    `groups`, int64 (n,) and numbered from 0, says which rows belong together: these are drawn as
    one. None where none do.
    """

    resamples: int = 1000
    seed: int = 0
    groups: np.ndarray | None = None

    @property
    def vary(self) -> bool:
        """Whether resamples differ: not where all rows are of one group."""
        return self.groups is None or bool(self.groups.any())

    def weights(self, rows: int, *names: str) -> Iterator[np.ndarray]:
        """How often each row is drawn: float64 (some, rows) at a time, `resamples` in all.

        `names` are those of the stream of random numbers, by default "bootstrap".
        """
        stream = numbers(self.seed, *(names or ("bootstrap",)))
        units = rows if self.groups is None else int(self.groups.max()) + 1
        size = max(1, CELLS // rows)
        for start in range(0, self.resamples, size):
            some = min(size, self.resamples - start)
            cells = stream.integers(0, units, (some, units)) + units * np.arange(some)[:, None]
            counts = np.bincount(cells.ravel(), minlength=some * units)
            drawn = counts.reshape(some, units).astype(
                np.float64
            )  # float32 would be cast again and again
            yield drawn if self.groups is None else drawn[:, self.groups]


THOUSAND = Draws()  # of single rows, by seed 0


@dataclass(frozen=True)
class Support:
    """`units` (equal ones) that a metric rests on; of these `what`: rows, groups or positives.

    `df` are the degrees of freedom of a variance over them, `widening` what the bootstrap's has to
    be multiplied by. None of any use (df 0) with a single unit.
    """

    units: float
    df: float
    widening: float = 1.0
    what: str = ROWS

    @classmethod
    def of_rows(cls, rows: int) -> "Support":
        """That of a mean over rows: as many units."""
        return cls(rows, max(0, rows - 1), rows / (rows - 1) if 1 < rows < ENOUGH else 1.0)

    def level(self, confidence: float = 0.95) -> float:
        """The share of resamples between the ends of an interval of this confidence.

        With few units it is wider than its name: the expanded percentile interval (Hesterberg 2015,
        "What teachers should know about the bootstrap", section 4.2). 1 where there is one unit.
        """
        if self.units >= ENOUGH:
            return confidence
        if self.df <= 0:
            return 1.0
        from scipy import stats  # only where it is needed: a fit does without

        far = stats.t.ppf(0.5 + confidence / 2, self.df) * self.widening**0.5
        return float(1 - 2 * stats.norm.sf(far))


def support(
    task: "Task", labels: np.ndarray, metric: str, groups: np.ndarray | None = None
) -> Support:
    """What `metric` rests on, on rows with these labels (as in `scores.score`) and groups (n,).

    groups: int64 (n,), numbered from 0; None where rows do not belong together.
    """
    if metric in BY_CLASS and task.kind != "regression":
        return _by_class(_truth(task, labels), groups)
    if groups is None:
        return Support.of_rows(len(labels))
    sizes = np.bincount(groups)
    units, widening = _of_sizes(sizes)
    return Support(units, units - 1, widening, GROUPS)


def _truth(task: "Task", labels: np.ndarray) -> np.ndarray:
    """What has each class or label: bool (n, columns); of two classes one column."""
    if task.kind == "multi":
        return np.asarray(labels) > 0.5
    classes = [1] if len(task.labels) == 2 else range(len(task.labels))
    return np.asarray(labels)[:, None] == np.array(classes)


def _by_class(truth: np.ndarray, groups: np.ndarray | None) -> Support:
    """A mean over columns: the variances of each are added (Satterthwaite 1946).

    That of a column goes with one over the units of its rarer kind. A single one, beside columns of
    more, counts as two, the fewest that have a variance: no resample shows what it does.
    """
    kinds = (truth, ~truth)
    found = [
        min(_units(kind[:, i], groups) for kind in kinds)
        for i in range(truth.shape[1])
        if truth[:, i].any() and not truth[:, i].all()
    ]
    what = f"{ROWS if groups is None else GROUPS} of the rarer class"
    if all(units < LEAST for units, _ in found):
        return Support(1.0 if found else 0.0, 0.0, what=what)
    units, widening = np.array([one if one[0] >= LEAST else (2.0, 2.0) for one in found]).T
    variances = 1 / units
    df = float(variances.sum() ** 2 / (variances**2 / (units - 1)).sum())
    wider = float(variances.sum() / (variances / widening).sum())
    return Support(df + 1, df, wider if df + 1 < ENOUGH else 1.0, what)


def _units(kind: np.ndarray, groups: np.ndarray | None) -> tuple[float, float]:
    """Equal units among the rows of a kind, bool (n,), and what widens their variance."""
    sizes = np.ones(int(kind.sum())) if groups is None else np.bincount(groups[kind])
    return _of_sizes(sizes)


def _of_sizes(sizes: np.ndarray) -> tuple[float, float]:
    """How many equal units groups of these sizes are, and what widens their variance.

    With w the groups' shares of the rows, and means of groups that vary alike, the expected sum of
    squares is 1 - 2 sum w^3 / sum w^2 + sum w^2 of the true one; of equal groups (n - 1) / n.
    """
    shares = sizes[sizes > 0] / max(sizes.sum(), 1)
    if len(shares) < 2:
        return float(len(shares)), 1.0
    squares, cubes = float((shares**2).sum()), float((shares**3).sum())
    return 1 / squares, 1 / (1 - 2 * cubes / squares + squares)
