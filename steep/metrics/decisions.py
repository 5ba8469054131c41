"""How are thresholds and temperatures chosen? By the validation rows, where they are asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steep.errors import SteepError
from steep.metrics.calibration import SCARCE, Decisions, calibrated, fit_temperatures
from steep.wording import some

if TYPE_CHECKING:
    from steep.data.corpus import Task

FORMS = "'f1', 'precision:0.9', 'recall:0.9', 'cost:FP,FN' or a number between 0 and 1"


def check_options(task: "Task", threshold: str | None, calibrate: bool) -> None:
    """Raises SteepError if the task cannot be decided in this way."""
    if threshold is not None:
        check_rule(task, threshold)
    if calibrate and task.kind == "regression":
        raise SteepError("calibrate: a regression has no probabilities to calibrate.")


def fit_decisions(
    task: "Task",
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: str | None,
    calibrate: bool,
) -> tuple[Decisions, list[str]]:
    """The decisions that suit validation rows best, and notes; arrays as in `scores.score`."""
    temperatures, notes = fit_temperatures(task, labels, probabilities) if calibrate else ((), [])
    if threshold is None:
        return Decisions(temperatures), notes
    given = calibrated(task, probabilities, temperatures)
    thresholds, more = choose_thresholds(task, labels, given, check_rule(task, threshold))
    return Decisions(temperatures, thresholds), [*notes, *more]


@dataclass(frozen=True)
class Rule:
    """What a threshold is chosen by: `name` f1, precision, recall, cost or fixed, its `values`."""

    name: str
    values: tuple[float, ...] = ()


def parse_rule(text: str) -> Rule:
    """A rule as the user writes it; SteepError, naming the forms there are, if it is none."""
    name, _, rest = text.strip().partition(":")
    try:
        values = tuple(float(part) for part in rest.split(",")) if rest else ()
        if not rest and name != "f1":
            name, values = "fixed", (float(name),)
    except ValueError:
        raise SteepError(f"threshold '{text}': expected {FORMS}.") from None
    counts = {"f1": 0, "precision": 1, "recall": 1, "fixed": 1, "cost": 2}
    shares = name not in ("cost", "f1")
    fits = all(0 < v < 1 for v in values) if shares else all(0 < v < np.inf for v in values)
    if len(values) != counts.get(name, -1) or not fits:
        raise SteepError(f"threshold '{text}': expected {FORMS}.")
    return Rule(name, values)


def check_rule(task: "Task", text: str) -> Rule:
    """The rule; SteepError if this kind of task has no thresholds."""
    rule = parse_rule(text)
    if task.kind == "regression":
        raise SteepError("threshold: a regression predicts a quantity, so there is none to choose.")
    if task.kind == "single" and len(task.labels) != 2:
        raise SteepError(
            f"threshold: of {len(task.labels)} classes the most probable one is taken; thresholds "
            "are for two classes, or for several labels a row."
        )
    return rule


def choose_thresholds(
    task: "Task", labels: np.ndarray, probabilities: np.ndarray, rule: Rule
) -> tuple[tuple[float, ...], list[str]]:
    """A threshold per label (multi), or one of the second class (single); and notes.

    Arrays as in `scores.score`, of validation rows. Where fewer than `SCARCE` rows have a label, or
    lack it, its threshold stays 1/2, and a note says so with the count.
    """
    names = task.labels if task.kind == "multi" else task.labels[1:]
    truth = labels > 0.5 if task.kind == "multi" else labels[:, None] == 1
    columns = probabilities if task.kind == "multi" else probabilities[:, 1:]
    chosen, scarce, short = [], [], []
    for i, name in enumerate(names):
        rarer = int(min(truth[:, i].sum(), (~truth[:, i]).sum()))
        if rule.name != "fixed" and rarer < SCARCE:
            scarce.append(f"{name} {rarer}")
            chosen.append(0.5)
            continue
        chosen.append(best_threshold(truth[:, i], columns[:, i], rule))
        claimed = columns[:, i] >= chosen[-1]
        reached = float((truth[:, i] & claimed).sum() / max(claimed.sum(), 1))
        if rule.name == "precision" and reached < rule.values[0]:
            short.append(f"{name} {reached:.2f}")
    notes = []
    if scarce:
        notes.append(
            f"thresholds stay at 0.5 where fewer than {SCARCE} validation rows have a label, or "
            f"lack it: {some(scarce)}"
        )
    if short:
        notes.append(
            f"no threshold reaches precision {rule.values[0]:g} on the validation rows for these; "
            f"theirs is the nearest: {some(short)}"
        )
    return tuple(chosen), notes


def best_threshold(truth: np.ndarray, scores: np.ndarray, rule: Rule) -> float:
    """The threshold that is best by `rule` on rows with `truth` bool (n,) and `scores` (n,).

    It lies halfway between two scores, so that it does not depend on the last digit of one. Among
    thresholds that are equally good it is the highest.
    """
    if rule.name == "fixed":
        return rule.values[0]
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    hits = np.concatenate([[0], np.cumsum(truth[order])]).astype(np.float64)
    claims = np.arange(len(hits), dtype=np.float64)
    above = np.concatenate([[max(1.0, 2 * ranked[0])], ranked])
    below = np.concatenate([ranked, [0.0 if ranked[-1] > 0 else -1.0]])
    cuts = np.flatnonzero(above > below)  # equal scores cannot be separated
    values = _worth(hits[cuts], claims[cuts], float(truth.sum()), rule)
    at = cuts[int(np.argmax(values))]
    return max(0.0, float((above[at] + below[at]) / 2))


def _worth(hits: np.ndarray, claims: np.ndarray, positives: float, rule: Rule) -> np.ndarray:
    """How good it is to claim `claims` rows of which `hits` are right, by `rule`; higher is better.

    precision: the recall where the precision is reached, else below 0; recall: vice versa.
    cost: what is saved (Elkan 2001, "The foundations of cost-sensitive learning").
    """
    precision, recall = hits / np.maximum(claims, 1), hits / max(positives, 1)
    if rule.name == "f1":
        return 2 * hits / (positives + claims)
    if rule.name == "precision":
        return np.where((precision >= rule.values[0]) & (claims > 0), recall, precision - 1)
    if rule.name == "recall":
        return np.where(recall >= rule.values[0], precision, recall - 1)
    per_alarm, per_miss = rule.values
    return -(per_alarm * (claims - hits) + per_miss * (positives - hits))
