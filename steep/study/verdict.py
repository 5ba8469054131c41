"""Was step 2 worth it? The answer of a study, in plain JSON and in sentences one can forward.

"yes" needs the whole 95 % interval of the gain above the smallest effect of interest; "no" needs
it below (below or at zero, that is harm, when no smallest effect was named); everything else is
"cannot tell". Only adapted against base decides, with the most labels that the study uses. The
answers at other label budgets have to hold after a correction for their number
(`steep.study.paired`).
The other comparisons are shown beside it, each with its own interval and a corrected p value.

How the interval is computed, why it can be trusted with five seeds but hardly with two, and what
it leaves out (one split, one adapted encoder): `steep.study.paired` and docs/statistics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.metrics.scores import check_metric, higher_is_better, resampled, score
from steep.metrics.weighted import Draws, Support, support
from steep.seeds import numbers
from steep.study.arms import ADAPTED, BASE
from steep.study.label_curve import LEAST, labels_worth, more_labels
from steep.study.paired import CONFIDENCE, correct_for_budgets, paired_gain
from steep.study.verdict_warnings import weakened_by
from steep.study.verdict_words import in_words

RESAMPLES = 1000


@dataclass(frozen=True)
class Question:
    """Did step 2 raise `metric` by more than `smallest_effect` (in the metric's own unit)?

    `rivals` are the arms, beside base, that adapted is compared with; `seed` is that of the
    resamples of the test rows.
    """

    metric: str
    smallest_effect: float = 0.0
    rivals: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class CellResult:
    """A finished fit of a study.

    `seconds` is the time of the fit; `probabilities` are the predictions on the test rows, as in
    `steep.metrics.scores.score`; `diverged` marks a training whose loss became infinite; `labels`
    is the number of training labels that it was allowed, None for all.
    """

    arm: str
    seed: int
    seconds: float
    probabilities: np.ndarray
    diverged: bool = False
    labels: int | None = None


@dataclass(frozen=True)
class _Cell:
    """A cell that can be compared: its metric on the test rows and on resamples of them."""

    seconds: float
    value: float
    drawn: np.ndarray


@dataclass(frozen=True)
class _Test:
    """The test rows: labels and groups as `verdict` has them, and what the metric rests on."""

    task: Task
    labels: np.ndarray
    groups: np.ndarray | None
    rests_on: Support


_Arms = dict[str, dict[int, _Cell]]


def verdict(
    task: Task,
    labels: np.ndarray,
    cells: Sequence[CellResult],
    question: Question,
    step2_seconds: float,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """The answer to `question`.

    labels: those of the test rows, as in `steep.metrics.scores.score`. groups: int64 (n,), which of
    these rows belong together, numbered from 0; None where none do. Cells are paired by seed.
    Every label budget has its part in `budgets`, the one with the most labels is the answer.
    A cell that diverged, or whose metric is undefined, is left out with its pair and named in
    `warnings`. Raises SteepError on an unknown metric, a negative smallest effect, two cells with
    the same arm and seed, or a study without the arms base and adapted.
    """
    metric = check_metric(task, question.metric)
    _check_cells(cells, question.smallest_effect)
    budgets = sorted({cell.labels for cell in cells}, key=lambda n: np.inf if n is None else n)
    test = _Test(task, labels, groups, support(task, labels, metric, groups))
    parts, kept = [], {}
    for budget in budgets:
        chosen = [cell for cell in cells if cell.labels == budget]
        usable = _usable(test, chosen, question)
        parts.append(_at_budget(test, chosen, question, usable))
        kept[budget] = usable[0]
    correct_for_budgets(parts)
    first = parts[-1]
    result = first | {
        "metric": metric,
        "higher_is_better": higher_is_better(metric),
        "smallest_effect": question.smallest_effect,
        "confidence": CONFIDENCE,
        "rows": len(labels),
        "groups": None if groups is None else len(np.unique(groups)),
        "rests_on": {"count": test.rests_on.units, "what": test.rests_on.what},
        "cost": _cost(first["arms"], step2_seconds),
        "budgets": parts,
        "worth_labels": labels_worth(parts, higher_is_better(metric)),
        "more_labels": _more_labels(kept, question),
        "warnings": list(dict.fromkeys(w for part in parts for w in part["warnings"])),
    }
    return in_words(result)


def _at_budget(
    test: _Test,
    cells: Sequence[CellResult],
    question: Question,
    usable: tuple[_Arms, list[str]],
) -> dict[str, Any]:
    """Answer, arms and comparisons of the cells of one label budget; `usable` is of these cells."""
    arms, warnings = usable
    comparisons = [
        {"arm": arm, "against": against, "main": (arm, against) == (ADAPTED, BASE)}
        | _comparison(arms[arm], arms[against], question, test.rests_on)
        for arm, against in _pairs(arms, question.rivals)
        if arms[arm].keys() & arms[against].keys()
    ]
    main = next((c for c in comparisons if c["main"]), None)
    return {
        "labels": cells[0].labels,
        "answer": answer_of(main, question.smallest_effect),
        "arms": {arm: _describe(runs) for arm, runs in arms.items()},
        "comparisons": comparisons,
        "warnings": warnings + weakened_by(main, test.rests_on),
    }


def _pairs(arms: _Arms, rivals: Sequence[str]) -> list[tuple[str, str]]:
    """Who is compared with whom: every arm with base, and step 2 with its rivals."""
    others = [arm for arm in arms if arm not in (BASE, ADAPTED)]
    return [
        (ADAPTED, BASE),
        *((ADAPTED, rival) for rival in rivals if rival in arms),
        *((arm, BASE) for arm in others),
    ]


def _check_cells(cells: Sequence[CellResult], smallest_effect: float) -> None:
    if smallest_effect < 0:
        raise SteepError(f"The smallest effect must be 0 or more, not {smallest_effect}.")
    names = [(cell.arm, cell.seed, cell.labels) for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SteepError(f"The study has two cells of arm '{twice[0]}' with seed {twice[1]}.")
    arms = sorted({cell.arm for cell in cells})
    if not {BASE, ADAPTED} <= set(arms):
        raise SteepError(
            f"A verdict compares the arms '{BASE}' and '{ADAPTED}'; this study has "
            f"{', '.join(arms) or 'none'}."
        )


def _usable(
    test: _Test, cells: Sequence[CellResult], question: Question
) -> tuple[_Arms, list[str]]:
    """The cells that can be compared, by arm and seed, and a warning for every other."""
    metric, task, labels = question.metric, test.task, test.labels
    arms: _Arms = {arm: {} for arm in (*(cell.arm for cell in cells), BASE, ADAPTED)}
    warnings, kept = [], []
    for cell in sorted(cells, key=lambda cell: cell.seed):
        few = f", {cell.labels:,} labels" if cell.labels else ""
        what = f"Arm '{cell.arm}', seed {cell.seed}{few}"
        pair = "its pair is left out of the comparison, which may favour this arm."
        if cell.diverged or not np.isfinite(cell.probabilities).all():
            warnings.append(f"{what}: the training diverged; {pair}")
        elif metric not in (scores := score(task, labels, cell.probabilities)):
            warnings.append(f"{what}: {metric} is undefined on its predictions; {pair}")
        else:
            kept.append((cell, scores[metric]))
    outputs = [cell.probabilities for cell, _ in kept]
    draws = Draws(RESAMPLES, question.seed, test.groups)
    drawn = resampled(task, labels, outputs, (metric,), draws)
    for (cell, value), values in zip(kept, drawn, strict=True):
        arms[cell.arm][cell.seed] = _Cell(cell.seconds, value, values[metric])
    return arms, warnings


def _more_labels(kept: dict[int | None, _Arms], question: Question) -> dict[str, Any] | None:
    """See `label_curve.more_labels`: of the budgets that have a number, the seeds that all have."""
    known = {labels: arms for labels, arms in kept.items() if labels is not None}
    if len(known) < LEAST:
        return None
    last = known[max(known)].get(ADAPTED, {})
    bases = [arms.get(BASE, {}) for arms in known.values()]
    seeds = sorted(set(last).intersection(*bases))
    if len(seeds) < 2:
        return None
    sign = 1 if higher_is_better(question.metric) else -1
    base = np.array([[cells[seed].drawn for cells in bases] for seed in seeds])
    adapted = np.array([last[seed].drawn for seed in seeds])
    return more_labels(np.array(list(known)), sign * base, sign * adapted, question.seed)


def _comparison(
    ours: dict[int, _Cell], theirs: dict[int, _Cell], question: Question, rests_on: Support
) -> dict[str, Any]:
    """One arm against another, over the seeds that both have."""
    seeds = sorted(ours.keys() & theirs.keys())
    sign = 1 if higher_is_better(question.metric) else -1
    pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    differences = np.array([sign * (one.value - other.value) for one, other in pairs])
    drawn = np.stack([sign * (one.drawn - other.drawn) for one, other in pairs], axis=1)
    stream = numbers(0, "bootstrap", "seeds")
    return {"seeds": seeds} | paired_gain(
        differences, drawn, rests_on, question.smallest_effect, stream
    )


def answer_of(comparison: dict[str, Any] | None, smallest_effect: float) -> str:
    """yes, no or cannot tell: where the 95 % interval lies beside the smallest effect."""
    if comparison is None or comparison["low"] is None:
        return "cannot tell"
    if comparison["low"] > smallest_effect:
        return "yes"
    high = comparison["high"]
    return "no" if high < smallest_effect or high <= 0 else "cannot tell"


def _describe(runs: dict[int, _Cell]) -> dict[str, Any]:
    values = [cell.value for cell in runs.values()]
    return {
        "values": values,
        "seeds": list(runs),
        "mean": float(np.mean(values)) if values else None,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "seconds": float(np.mean([cell.seconds for cell in runs.values()])) if runs else None,
    }


def _cost(arms: dict[str, Any], step2_seconds: float) -> dict[str, float | None]:
    """Step 2 against one fine-tuning (the mean over the runs of base and adapted)."""
    known = [arms[arm] for arm in (BASE, ADAPTED) if arms[arm]["seconds"] is not None]
    runs = sum(len(arm["values"]) for arm in known)
    fit = sum(arm["seconds"] * len(arm["values"]) for arm in known) / runs if runs else None
    ratio = step2_seconds / fit if fit else None
    return {"step2_seconds": step2_seconds, "fit_seconds": fit, "ratio": ratio}
