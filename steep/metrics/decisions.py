"""How do a model's probabilities become decisions? Its temperatures and thresholds, as one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.metrics.calibration import calibrated, fit_temperatures
from steep.metrics.thresholds import check_rule, choose_thresholds


@dataclass(frozen=True)
class Decisions:
    """`temperatures` (one, or one per label) and `thresholds` (on what they give); () for none."""

    temperatures: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.temperatures or self.thresholds)

    def probabilities(self, task: Task, raw: np.ndarray) -> np.ndarray:
        """What the model says, calibrated."""
        return calibrated(task, raw, self.temperatures)

    def task(self, task: Task) -> Task:
        """The task, decided by these thresholds."""
        return replace(task, thresholds=self.thresholds)

    def as_json(self, task: Task) -> dict[str, Any]:
        """By label name where there are several; the threshold of two classes by the second."""
        names = task.labels if task.kind == "multi" else task.labels[1:]
        several = len(self.temperatures) > 1
        return {
            "temperatures": dict(zip(task.labels, self.temperatures, strict=True))
            if several
            else next(iter(self.temperatures), None),
            "thresholds": dict(zip(names, self.thresholds, strict=True))
            if self.thresholds
            else None,
        }


def check_options(task: Task, threshold: str | None, calibrate: bool) -> None:
    """Raises SteepError if the task cannot be decided in this way."""
    if threshold is not None:
        check_rule(task, threshold)
    if calibrate and task.kind == "regression":
        raise SteepError("calibrate: a regression has no probabilities to calibrate.")


def fit_decisions(
    task: Task,
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


def decisions_from_json(found: Any, task: Task, source: str) -> Decisions:
    """The decisions that were saved as `source`; SteepError if they are not of this task."""
    names = task.labels if task.kind == "multi" else task.labels[1:]
    try:
        thresholds = found["thresholds"]
        temperatures = found["temperatures"]
        if isinstance(temperatures, dict):
            temperatures = [float(temperatures[name]) for name in task.labels]
        elif temperatures is not None:
            temperatures = [float(temperatures)]
        chosen = [float(thresholds[name]) for name in names] if thresholds else []
    except (KeyError, TypeError, ValueError) as error:
        raise SteepError(
            f"{source}: not the decisions of this model ({error}). Remove "
            "the file to go without, or run 'steep fit' again."
        ) from None
    return Decisions(tuple(temperatures or ()), tuple(chosen))
