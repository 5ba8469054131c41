"""How many more labels would do what step 2 does? By the measured curve, and by two beyond it.

Learning curves go on as they began only for a while, and nobody knows which family they are of
(Viering & Loog 2021, "The Shape of Learning Curves"). Two are fitted, with weights in proportion
to the labels (Johnson et al. 2018): a logarithm, which never ends, and a power law, which does.
Mahmood et al. 2022 ("How Much More Data Do I Need?") report the range between families, as here.
"""

from typing import Any

import numpy as np

from steep.seeds import numbers
from steep.study.arms import ADAPTED, BASE

LEAST = 4  # label budgets from which on a curve is fitted
FARTHEST = 4  # times the most labels, beyond which nothing is said
EXPONENTS = np.geomspace(0.05, 2.0, 40)  # of the power law
INNER = 0.8  # share of the resamples that the range holds, by either family


def more_labels(
    counts: np.ndarray, base: np.ndarray, adapted: np.ndarray, seed: int
) -> dict[str, Any] | None:
    """The range of further labels that would raise base as far as step 2 did, at the most labels.

    `counts` (budgets,) ascending; `base` (seeds, budgets, resamples) and `adapted` (seeds,
    resamples), at the most labels: the metric on resamples of the test rows, more is better. Seeds
    are drawn, too. {"at": the most labels, "low", "high": further ones, None where beyond
    "beyond"}. None with fewer than `LEAST` budgets, where base does not rise with labels, or
    adapted is not better.
    """
    fine = np.isfinite(base).all((0, 1)) & np.isfinite(adapted).all(0)  # the metric is defined
    if fine.sum() < 2:
        return None
    base, adapted = base[..., fine], adapted[:, fine]
    heights, gain = base.mean((0, 2)), (adapted - base[:, -1]).mean()
    slope = _fitted(np.log(counts), heights[None], counts)[0][0, 1]
    if len(counts) < LEAST or min(slope, heights[-1] - heights[0], gain) <= 0:
        return None
    seeds, _, resamples = base.shape
    drawn = numbers(seed, "bootstrap", "curve").integers(0, seeds, (resamples, seeds))
    curves = np.stack([base[some, :, i].mean(0) for i, some in enumerate(drawn)])
    reached = np.stack([adapted[some, i].mean() for i, some in enumerate(drawn)])
    gains, most = reached - curves[:, -1], int(counts[-1])
    tails = (1 - INNER) / 2, (1 + INNER) / 2
    found = [by(counts, curves, gains) - most for by in (_by_logarithm, _by_power_law)]
    low = min(np.quantile(more, tails[0], method="lower") for more in found)
    high = max(np.quantile(more, tails[1], method="higher") for more in found)
    beyond = (FARTHEST - 1) * most
    return {
        "at": most,
        "low": _outwards(low, False) if low <= beyond else None,
        "high": _outwards(high, True) if high <= beyond else None,
        "beyond": beyond,
    }


def _by_logarithm(counts: np.ndarray, curves: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The labels at which a + b ln(n) has gained so much, float64 (resamples,)."""
    slope = _fitted(np.log(counts), curves, counts)[0][:, 1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        needed = counts[-1] * np.exp(gains / slope)
    return _settled(needed, slope > 0, gains, counts[-1])


def _by_power_law(counts: np.ndarray, curves: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The same of c - d n^-e; of the exponents the one that fits best."""
    best, answer = np.full(len(curves), np.inf), np.full(len(curves), np.inf)
    for exponent in EXPONENTS:
        found, error = _fitted(-(counts**-exponent), curves, counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = counts[-1] ** -exponent - gains / found[:, 1]
            needed = left ** (-1 / exponent)
        settled = _settled(needed, (found[:, 1] > 0) & (left > 0), gains, counts[-1])
        answer = np.where(error < best, settled, answer)
        best = np.minimum(error, best)
    return answer


def _settled(needed: np.ndarray, rises: np.ndarray, gains: np.ndarray, most: int) -> np.ndarray:
    """The labels needed: no more where nothing was gained, no number where base is flat."""
    return np.where(gains <= 0, most, np.where(rises, needed, np.inf))


def _fitted(
    x: np.ndarray, curves: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of each curve on 1 and `x`: coefficients (curves, 2), and errors."""
    columns = np.stack([np.ones(len(x)), x], axis=1)
    root = np.sqrt(weights)
    found = np.linalg.lstsq(columns * root[:, None], (curves * root).T, rcond=None)[0].T
    return found, (weights * (curves - found @ columns.T) ** 2).sum(axis=1)


def _outwards(value: float, up: bool) -> int:
    """A whole number with two digits that mean something, so that a range does not narrow."""
    size = 10 ** max(0, len(str(int(value))) - 2)
    return int((np.ceil if up else np.floor)(value / size) * size)


def labels_worth(budgets: list[dict[str, Any]], higher_is_better: bool) -> list[dict[str, Any]]:
    """For each label budget, how many labels base would need to do as well as adapted.

    `budgets` are the parts of a verdict, from few labels to many. Between two measured budgets the
    metric is taken to be linear in the logarithm of the number of labels; beyond the largest one
    nothing is extrapolated (`labels` is None, and `beyond` the largest budget). A budget is left
    out where base does not get better with labels, or adapted is no better than base.
    Point estimates, without an interval: the intervals are those of the gains.
    """
    sign = 1 if higher_is_better else -1
    known = [b for b in budgets if b["labels"] and _mean(b, BASE) is not None]
    if len(known) < 2:
        return []
    counts = np.array([b["labels"] for b in known], float)
    heights = sign * np.array([_mean(b, BASE) for b in known])
    if not (np.diff(heights) > 0).all():
        return []
    found = []
    for budget, height in zip(known, heights, strict=True):
        reached = _mean(budget, ADAPTED)
        if reached is None or sign * reached <= height:
            continue
        line: dict[str, Any] = {"at": budget["labels"], "labels": None, "beyond": int(counts[-1])}
        if sign * reached <= heights[-1]:
            same = np.exp(np.interp(sign * reached, heights, np.log(counts)))
            line |= {"labels": round(float(same) - budget["labels"]), "beyond": None}
        found.append(line)
    return found


def _mean(budget: dict[str, Any], arm: str) -> float | None:
    return budget["arms"].get(arm, {}).get("mean")
