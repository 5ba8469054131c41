"""How do a model's probabilities become decisions? Its temperatures and thresholds, as one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.metrics.calibration import calibrated, fit_temperatures
from steep.metrics.thresholds import check_rule, choose_thresholds
from steep.shapes import Keyed, Maybe, Number, checked

TEMPERATURE = Number(1e-6, 1e6)
THRESHOLD = Number(0, 2)  # where the best is none, it lies above 1
REMEDY = "Put it right, remove the file to go without, or run 'steep fit' again."


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


def decisions_from_json(found: Any, task: Task, source: Path) -> Decisions:
    """The decisions that were saved as `source`; SteepError if they are not of this task."""
    names = task.labels if task.kind == "multi" else task.labels[1:]
    several = isinstance(found, dict) and isinstance(found.get("temperatures"), dict)
    shape = {
        "temperatures": Keyed(task.labels, TEMPERATURE) if several else Maybe(TEMPERATURE),
        "thresholds": Maybe(Keyed(names, THRESHOLD)),
    }
    checked(found, shape, source, REMEDY)
    thresholds, temperatures = found["thresholds"], found["temperatures"]
    if several:
        temperatures = [temperatures[name] for name in task.labels]
    elif temperatures is not None:
        temperatures = [temperatures]
    chosen = [thresholds[name] for name in names] if thresholds else []
    return Decisions(tuple(map(float, temperatures or ())), tuple(map(float, chosen)))
