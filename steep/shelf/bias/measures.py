"""What are the metrics of unintended bias, on rows as they are and on resamples of them?

Borkan, Dixon, Sorensen, Thain & Vasserman 2019, "Nuanced metrics for measuring unintended bias with
real data for text classification" (WWW companion), sections 3 and 4. With D+ and D- the positive
and negative rows outside of a group, and Dg+ and Dg- those inside:

- subgroup AUC: AUC(Dg- and Dg+); BPSN AUC: AUC(D+ and Dg-); BNSP AUC: AUC(D- and Dg+);
- positive AEG: P(a row of Dg+ scores above one of D+) - 1/2; negative AEG the same of negatives.

Ties count one half. All of these are sums over pairs of a row and what lies below it: two
cumulative sums over sorted scores serve all groups, so that a resample costs O(rows).

Rows are drawn within strata: of the same label, and where there are enough of the same groups; so
every resample has the positives and negatives of each group that there are. Rows that belong
together are drawn together. All arms see the same resamples, so their differences are paired.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.metrics import weighted
from steep.metrics.weighted import Draws, Support, ranks, ratio, support
from steep.seeds import numbers

SUBGROUP, BPSN, BNSP = "subgroup_auc", "bpsn_auc", "bnsp_auc"
POSITIVE_AEG, NEGATIVE_AEG = "positive_aeg", "negative_aeg"
FPR, FNR, CALIBRATION = "false_positive_rate", "false_negative_rate", "calibration"
AUCS = (SUBGROUP, BPSN, BNSP)
OF_GROUP = (*AUCS, POSITIVE_AEG, NEGATIVE_AEG, FPR, FNR, CALIBRATION)
OF_ALL = (SUBGROUP, FPR, FNR, CALIBRATION)  # of all rows the subgroup AUC is the AUC
POWER = -5.0  # of the generalised mean: it leans to the worst group
ENOUGH = 20  # units of one kind that make a stratum of their own
BINARY, NUMBER = Task("single", ("no", "yes")), Task("regression", ("x",))

Measures = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Row weights (resamples, rows) -> each metric (resamples, groups + 1), NaN where undefined.

The last column is that of all rows."""
Cells = dict[str, np.ndarray]
"""Each metric of an arm, float64 (1 + resamples, seeds, groups + 1): first on the rows as they are.
"""


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
        found: dict[str, list[Support]] = {name: [] for name in OF_GROUP}
        truth = self.truth
        for inside in (*self.groups.T, np.ones(len(truth), bool)):
            for name, rows, kind in (
                (SUBGROUP, inside, truth),
                (BPSN, inside ^ truth, truth),
                (BNSP, inside == truth, truth),
                (POSITIVE_AEG, truth, inside),
                (NEGATIVE_AEG, ~truth, inside),
                (FPR, inside & ~truth, None),
                (FNR, inside & truth, None),
                (CALIBRATION, inside, None),
            ):
                task, metric = (NUMBER, "rmse") if kind is None else (BINARY, "auc")
                labels = (truth if kind is None else kind)[rows].astype(np.int64)
                clusters = None if self.clusters is None else self.clusters[rows]
                found[name].append(support(task, labels, metric, clusters))
        return found


def ranked(scores: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> Measures:
    """The three AUCs and the two AEGs of each group, and of all rows in the last column.

    scores: float64 (n,); truth: bool (n,); groups: bool (n, k), which may overlap. Of all rows
    together only the subgroup AUC is defined: it is the AUC.
    """
    positive, negative = _kinds(truth, groups)
    below = ranks(scores, np.ones(len(truth), bool))
    within = [(np.flatnonzero(g), np.flatnonzero(g & truth)) for g in groups.T]
    lower = [ranks(scores[rows], truth[rows]) for rows, _ in within]

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        inside, outside = weights @ positive, weights @ negative
        over_negatives = weights * below(weights * ~truth)  # of each row, by its own weight
        over_positives = weights * below(weights * truth)
        everywhere = over_negatives @ positive
        wins = [
            (weights[:, ours] * rank(weights[:, rows] * ~truth[rows])).sum(axis=1)
            for (rows, ours), rank in zip(within, lower, strict=True)
        ]
        own = np.stack([*wins, everywhere[:, -1]], axis=1)
        missed = inside[:, -1:] * outside - over_positives @ negative
        others, other_negatives = inside[:, -1:] - inside, outside[:, -1:] - outside
        ahead = over_positives @ positive - inside**2 / 2  # less the group's rows among themselves
        ahead_negative = over_negatives @ negative - outside**2 / 2
        return {
            SUBGROUP: ratio(own, inside * outside),
            BPSN: ratio(missed - own, others * outside),
            BNSP: ratio(everywhere - own, inside * other_negatives),
            POSITIVE_AEG: ratio(ahead, inside * others) - 0.5,
            NEGATIVE_AEG: ratio(ahead_negative, outside * other_negatives) - 0.5,
        }

    return measured


def rates(scores: np.ndarray, decided: np.ndarray, sample: Sample) -> Measures:
    """False positive and false negative rates, and calibration, of each group and of all rows.

    decided: bool (n,), at the decision threshold. Calibration is the mean score less the mean
    label: above 0 where scores are too high.
    """
    positive, negative = _kinds(sample.truth, sample.groups)
    wrong = {
        FPR: (negative * decided[:, None], negative),
        FNR: (positive * ~decided[:, None], positive),
        CALIBRATION: (
            (positive + negative) * (scores - sample.labels)[:, None],
            positive + negative,
        ),
    }
    return lambda weights: {
        name: ratio(weights @ over, weights @ under) for name, (over, under) in wrong.items()
    }


def _kinds(truth: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are positives of each group, and of all; which negatives: float64 (n, k + 1)."""
    inside = np.column_stack([groups, np.ones(len(truth), bool)])
    return (inside & truth[:, None]).astype(np.float64), (inside & ~truth[:, None]).astype(float)


def power_mean(values: np.ndarray, power: float = POWER) -> np.ndarray:
    """The generalised mean over the last axis, (mean x^p)^(1/p): 0 where a value is 0, and p < 0.

    NaN where one is NaN.
    """
    with np.errstate(divide="ignore"):
        return np.mean(np.asarray(values, np.float64) ** power, axis=-1) ** (1 / power)


def challenge_score(auc: np.ndarray, aucs: Sequence[np.ndarray]) -> np.ndarray:
    """The score of the challenge "Jigsaw Unintended Bias in Toxicity Classification" (2019).

    auc: (...), of all rows; aucs: the three of each group, (..., k).
    """
    return (auc + sum(map(power_mean, aucs))) / 4


def measured(
    sample: Sample, arms: Sequence[tuple[np.ndarray, np.ndarray]], draws: Draws
) -> list[Cells]:
    """Each arm's metrics on the rows as they are and on the same resamples.

    arms: scores of every seed, float64 (seeds, n), and what was decided, bool (seeds, n).
    """
    metrics = [
        [
            (ranked(scores, sample.truth, sample.groups), rates(scores, decided, sample))
            for scores, decided in zip(*arm, strict=True)
        ]
        for arm in arms
    ]

    def once(seeds: list[Any], weights: np.ndarray) -> Cells:
        found = [first(weights) | second(weights) for first, second in seeds]
        return {name: np.stack([one[name] for one in found], axis=1) for name in OF_GROUP}

    ones = np.ones((1, len(sample.truth)))
    parts: list[list[Cells]] = [[once(seeds, ones)] for seeds in metrics]
    for weights in resamples(sample, draws):
        for seeds, part in zip(metrics, parts, strict=True):
            part.append(once(seeds, weights))
    return [{name: np.concatenate([p[name] for p in part]) for name in OF_GROUP} for part in parts]


def resamples(sample: Sample, draws: Draws) -> Iterator[np.ndarray]:
    """How often each row is drawn: float64 (some, rows) at a time, `draws.resamples` in all."""
    strata = strata_of(sample)
    order = np.argsort(strata, kind="stable")
    _, starts, sizes = np.unique(strata[order], return_index=True, return_counts=True)
    first, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    stream, units = numbers(draws.seed, "bias", "bootstrap"), len(strata)
    back = np.argsort(order)
    back = back if sample.clusters is None else back[sample.clusters]
    together = max(1, weighted.CELLS // len(sample.truth))
    for start in range(0, draws.resamples, together):
        some = min(together, draws.resamples - start)
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
