"""How are the metrics of unintended bias computed, on rows as they are or on many resamples?

Borkan, Dixon, Sorensen, Thain & Vasserman 2019, "Nuanced metrics for measuring unintended bias with
real data for text classification" (WWW companion), sections 3 and 4. With D+ and D- the positive
and negative rows outside of a group, and Dg+ and Dg- those inside:

- subgroup AUC: AUC(Dg- and Dg+); BPSN AUC: AUC(D+ and Dg-); BNSP AUC: AUC(D- and Dg+);
- positive AEG: P(a row of Dg+ scores above one of D+) - 1/2; negative AEG the same of negatives.

Ties count one half everywhere. All of these are sums over pairs of a row and what lies below it:
two cumulative sums over sorted scores serve all groups, so that a resample costs O(rows).
"""

from collections.abc import Callable

import numpy as np

from steep.metrics.weighted import Weighted, ratio

SUBGROUP, BPSN, BNSP = "subgroup_auc", "bpsn_auc", "bnsp_auc"
POSITIVE_AEG, NEGATIVE_AEG = "positive_aeg", "negative_aeg"
FPR, FNR, CALIBRATION = "false_positive_rate", "false_negative_rate", "calibration"
AUCS = (SUBGROUP, BPSN, BNSP)
POWER = -5.0  # of the generalised mean: it leans to the worst group
NINE = (  # of which the score of the challenge of 2019 is made
    *("male", "female", "homosexual_gay_or_lesbian", "christian", "jewish", "muslim", "black"),
    *("white", "psychiatric_or_mental_illness"),
)

Measures = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Row weights (resamples, rows) -> each metric (resamples, groups + 1), NaN where undefined."""


def ranked(scores: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> Measures:
    """The three AUCs and the two AEGs of each group, and of all rows in the last column.

    scores: float64 (n,); truth: bool (n,); groups: bool (n, k), which may overlap. Of all rows
    together only the subgroup AUC is defined: it is the AUC.
    """
    positive, negative = _kinds(truth, groups)
    above_negatives, above_positives = _below(scores, ~truth), _below(scores, truth)
    within = [_wins(scores, group & truth, group & ~truth) for group in groups.T]

    def weighted(weights: np.ndarray) -> dict[str, np.ndarray]:
        inside, outside = weights @ positive, weights @ negative
        over_negatives = weights * above_negatives(weights)  # of each row, by its own weight
        over_positives = weights * above_positives(weights)
        everywhere = over_negatives @ positive
        own = np.stack([*(wins(weights) for wins in within), everywhere[:, -1]], axis=1)
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

    return weighted


def rates(
    scores: np.ndarray,
    labels: np.ndarray,
    decided: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
) -> Measures:
    """False positive and false negative rates, and calibration, of each group and of all rows.

    decided: bool (n,), at the decision threshold; labels: float64 (n,), 0/1 or shares of raters.
    Calibration is the mean score less the mean label: above 0 where scores are too high.
    """
    positive, negative = _kinds(truth, groups)
    every, far = positive + negative, (scores - labels)[:, None]
    wrong = [negative * decided[:, None], positive * ~decided[:, None], every * far]
    counted = [negative, positive, every]

    def weighted(weights: np.ndarray) -> dict[str, np.ndarray]:
        pairs = zip(wrong, counted, strict=True)
        found = [ratio(weights @ over, weights @ under) for over, under in pairs]
        return dict(zip((FPR, FNR, CALIBRATION), found, strict=True))

    return weighted


def power_mean(values: np.ndarray, power: float = POWER) -> np.ndarray:
    """The generalised mean over the last axis, (mean x^p)^(1/p): 0 where a value is 0, and p < 0.

    NaN where one is NaN.
    """
    with np.errstate(divide="ignore"):
        return np.mean(np.asarray(values, np.float64) ** power, axis=-1) ** (1 / power)


def challenge_score(auc: np.ndarray, aucs: dict[str, np.ndarray]) -> np.ndarray:
    """The score of the challenge "Jigsaw Unintended Bias in Toxicity Classification" (2019).

    auc: (...), of all rows; aucs: the three of each group, (..., k).
    """
    return (auc + sum(power_mean(aucs[name]) for name in AUCS)) / 4


def _kinds(truth: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are positives of each group, and of all; which negatives: float64 (n, k + 1)."""
    inside = np.column_stack([groups, np.ones(len(truth), bool)])
    return (inside & truth[:, None]).astype(np.float64), (inside & ~truth[:, None]).astype(float)


def _below(scores: np.ndarray, others: np.ndarray, of: np.ndarray | None = None) -> Weighted:
    """The weight of the rows `others` (bool, n) below each row `of` (by default all), ties half."""
    at = np.flatnonzero(others)
    order = at[np.argsort(scores[at], kind="stable")]
    ascending, mine = scores[order], scores if of is None else scores[of]
    below = np.searchsorted(ascending, mine, side="left")
    upto = np.searchsorted(ascending, mine, side="right")

    def weighted(weights: np.ndarray) -> np.ndarray:
        reached = np.zeros((len(weights), len(order) + 1))
        np.cumsum(weights[:, order], axis=1, out=reached[:, 1:])
        return (reached[:, below] + reached[:, upto]) / 2

    return weighted


def _wins(scores: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> Weighted:
    """In how many pairs a row of `ours` scores above one of `theirs`: (resamples,)."""
    below, rows = _below(scores, theirs, ours), np.flatnonzero(ours)
    return lambda weights: (weights[:, rows] * below(weights)).sum(axis=1)
