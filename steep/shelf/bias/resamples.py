"""How certain are metrics of bias? One bootstrap of the rows for all groups, metrics and arms.

Rows are drawn within strata: of the same label, and where there are enough of the same groups; so
every resample has the positives and negatives of each group that there are. Rows that belong
together are drawn together. As all arms see the same resamples, their differences are paired.

The worst of many groups is low by luck alone. Its interval comes from bands that hold all groups at
once: as wide as the largest deviation of any group, in its own standard errors, over the resamples
(the maximum that Romano & Wolf 2005 test by, "Exact and approximate stepdown methods for multiple
hypothesis testing"). The worst true value lies between the lowest lower and the lowest upper end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics.scores import percentiles
from steep.metrics.weighted import Support, support
from steep.seeds import numbers
from steep.shelf.bias.measures import (
    BNSP,
    BPSN,
    CALIBRATION,
    FNR,
    FPR,
    NEGATIVE_AEG,
    POSITIVE_AEG,
    SUBGROUP,
    ranked,
    rates,
)
from steep.study.paired import paired_gain

ENOUGH = 20  # units of one kind that make a stratum of their own
CELLS = 1_500_000  # resamples x rows computed at once: some tens of megabytes
NORMAL = 1.959964  # standard errors between a value and the end of its 95 % interval
Entry = dict[str, Any]  # value, low, high
BINARY, NUMBER = Task("single", ("no", "yes")), Task("regression", ("x",))


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows that bias is measured on.

    truth: bool (n,), which are positives; labels: float64 (n,), 0/1 or shares of raters; groups:
    bool (n, k), which mention each of `names`; clusters: int64 (n,), which belong together,
    numbered from 0, or None where none do.
    """

    truth: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    groups: np.ndarray
    clusters: np.ndarray | None = None

    def supports(self) -> dict[str, list[Support]]:
        """What each metric of each group, and of all rows, rests on."""
        every = np.ones((len(self.truth), 1), bool)
        columns = np.hstack([self.groups, every]).T
        found = [self._supports(inside) for inside in columns]
        return {name: [one[name] for one in found] for name in found[0]}

    def _supports(self, inside: np.ndarray) -> dict[str, Support]:
        truth, clusters = self.truth, self.clusters

        def of(task: Task, rows: np.ndarray, kind: np.ndarray) -> Support:
            own = None if clusters is None else clusters[rows]
            name = "auc" if task is BINARY else "rmse"
            return support(task, kind[rows].astype(np.int64), name, own)

        return {
            SUBGROUP: of(BINARY, inside, truth),
            BPSN: of(BINARY, inside ^ truth, truth),
            BNSP: of(BINARY, inside == truth, truth),
            POSITIVE_AEG: of(BINARY, truth, inside),
            NEGATIVE_AEG: of(BINARY, ~truth, inside),
            FPR: of(NUMBER, inside & ~truth, truth),
            FNR: of(NUMBER, inside & truth, truth),
            CALIBRATION: of(NUMBER, inside, truth),
        }


@dataclass(frozen=True, eq=False)
class Measured:
    """Metrics of one arm: `values` by seed, float64 (seeds, k + 1), and `drawn` (resamples, ...).

    The last column is that of all rows. Differences of two arms have the same form.
    """

    values: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]

    def minus(self, other: "Measured") -> "Measured":
        """The differences of the same seeds, on the same resamples."""
        return Measured(
            {name: self.values[name] - other.values[name] for name in self.values},
            {name: self.drawn[name] - other.drawn[name] for name in self.drawn},
        )

    def less_all(self, name: str) -> "Measured":
        """Every metric less the metric `name` of all rows."""
        return Measured(
            {n: values - self.values[name][..., -1:] for n, values in self.values.items()},
            {n: drawn - self.drawn[name][..., -1:] for n, drawn in self.drawn.items()},
        )


def measured(
    sample: Sample, arms: Sequence[np.ndarray], thresholds: Sequence[np.ndarray], draws: "Draws"
) -> list[Measured]:
    """Each arm's metrics on the rows as they are and on the same resamples.

    arms: scores of every seed, float64 (seeds, n); thresholds: what was decided, bool (seeds, n).
    """
    rows = (sample.truth, sample.groups)
    metrics = [
        [
            (ranked(scores, *rows), rates(scores, sample.labels, decided, *rows))
            for scores, decided in zip(*arm, strict=True)
        ]
        for arm in zip(arms, thresholds, strict=True)
    ]

    def once(arm: list[Any], weights: np.ndarray) -> dict[str, np.ndarray]:
        seeds = [ranks(weights) | shares(weights) for ranks, shares in arm]
        return {name: np.stack([one[name] for one in seeds], axis=1) for name in seeds[0]}

    ones = np.ones((1, len(sample.truth)))
    values = [{name: of[0] for name, of in once(arm, ones).items()} for arm in metrics]
    parts: list[list[dict[str, np.ndarray]]] = [[] for _ in metrics]
    for weights in draws.weights(sample):
        for arm, part in zip(metrics, parts, strict=True):
            part.append(once(arm, weights))
    return [
        Measured(value, {name: np.concatenate([one[name] for one in part]) for name in value})
        for value, part in zip(values, parts, strict=True)
    ]


@dataclass(frozen=True)
class Draws:
    """So many `resamples` by `seed`, within strata and of whole clusters."""

    resamples: int = 1000
    seed: int = 0

    def weights(self, sample: Sample) -> Iterator[np.ndarray]:
        """How often each row is drawn: float64 (some, rows) at a time, `resamples` in all."""
        strata = strata_of(sample)
        order = np.argsort(strata, kind="stable")
        _, starts, sizes = np.unique(strata[order], return_index=True, return_counts=True)
        first, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
        stream, units = numbers(self.seed, "bias", "bootstrap"), len(strata)
        back = np.argsort(order)
        back = back if sample.clusters is None else back[sample.clusters]
        together = max(1, CELLS // len(sample.truth))
        for start in range(0, self.resamples, together):
            some = min(together, self.resamples - start)
            cells = first + (stream.random((some, units)) * size).astype(np.int64)
            cells += units * np.arange(some)[:, None]
            counts = np.bincount(cells.ravel(), minlength=some * units)
            yield counts.reshape(some, units)[:, back].astype(np.float64)


def strata_of(sample: Sample) -> np.ndarray:
    """What is drawn in place of each other: a number for each row, or cluster, int64 (units,).

    Units with the same labels and groups, if there are `ENOUGH`; the others with the same labels.
    """
    marks = np.column_stack([sample.truth, ~sample.truth, sample.groups])
    if (clusters := sample.clusters) is not None:
        marks = np.column_stack([np.bincount(clusters, mark) > 0 for mark in marks.T])
    kinds, places, counts = np.unique(marks, axis=0, return_inverse=True, return_counts=True)
    kinds = kinds.astype(np.int8)
    kinds[counts < ENOUGH, 2:] = 2  # the rare ones together
    return np.unique(kinds, axis=0, return_inverse=True)[1][places]


def entry(values: np.ndarray, drawn: np.ndarray, rests_on: Support) -> Entry:
    """{"value", "low", "high"}: the mean over seeds (seeds,) and its 95 % interval.

    drawn: (resamples, seeds). Of one seed the interval is that of the rows, of several that of
    `steep.study.paired`. None where it cannot be known: resamples that are all alike, one cluster.
    """
    if not np.isfinite(values).all():
        return {"value": None, "low": None, "high": None}
    kept, value = drawn[np.isfinite(drawn).all(axis=1)], float(values.mean())
    low, high = None, None
    if len(kept) > 1 and rests_on.df > 0 and np.ptp(kept.mean(axis=1)) > 0:
        if len(values) > 1:
            found = paired_gain(values, kept, rests_on, 0.0, numbers(0, "bias", "seeds"))
            low, high = found["low"], found["high"]
        else:
            low, high = percentiles(kept[:, 0], rests_on.level())
    return {"value": value, "low": low, "high": high}


def centred(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What was drawn, float64 (resamples, seeds), with the `values` (seeds,) as its means.

    A generalised mean is lower in resamples than it is, since it leans to the worst: plain
    percentiles of that of eight groups hold it in 76 to 93 of 100 samples, these in 93 to 95.
    """
    return drawn + values - np.nanmean(drawn, axis=0)


def bands(entries: Sequence[Entry], drawn: Sequence[np.ndarray]) -> list[Entry]:
    """The entries with intervals that hold all of their values at once, in 95 of 100 samples.

    drawn: of each entry its mean over seeds, float64 (resamples,).
    """
    known = [i for i, one in enumerate(entries) if one["low"] is not None]
    if not known:
        return list(entries)
    cells = np.stack([drawn[i] for i in known], axis=1)
    cells = cells[np.isfinite(cells).all(axis=1)]
    far = np.abs(cells - cells.mean(axis=0)) / cells.std(axis=0)
    wider = max(1.0, float(np.quantile(far.max(axis=1), 0.95)) / NORMAL)
    found = list(entries)
    for i in known:
        value, low, high = (entries[i][key] for key in ("value", "low", "high"))
        ends = {"low": value - wider * (value - low), "high": value + wider * (high - value)}
        found[i] = {"value": value} | ends
    return found


def lowest(banded: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The lowest of what `bands` gave, with the interval of the lowest true value."""
    known = [one for one in banded if one["low"] is not None]
    ends = {end: min((one[end] for one in known), default=None) for end in ("low", "high")}
    return min(banded, key=lambda one: one["value"]) | ends
