"""How many labels is step 2 worth? Read off the label curve of the arm without it."""

from typing import Any

import numpy as np

from steep.study.arms import ADAPTED, BASE


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
