"""Which of the steps is kept? The best on validation rows, if they can tell it from a plain fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.data.corpus import Data
from steep.metrics.predictions import WITHOUT, read_predictions
from steep.metrics.scores import higher_is_better, resampled
from steep.metrics.weighted import Draws
from steep.models.trained import load_trained_model
from steep.study.cells import outputs_in

FIT = "fit"  # the step that is kept unless another is better
VALID = Path(runs.PREDICTIONS) / "valid.csv"


@dataclass(frozen=True)
class Taken:
    """A step that was taken: its folder, what it took, and what it found."""

    name: str
    folder: Path
    seconds: float
    results: dict[str, Any]

    @property
    def score(self) -> float | None:
        """The metric on the validation rows; None where it is undefined."""
        found = self.results["valid"]["metrics"].get(self.results["metric"])
        return None if found is None else found["value"]

    @property
    def worth(self) -> float:
        """The score as a number of which more is better."""
        sign = 1 if higher_is_better(self.results["metric"]) else -1
        return -math.inf if self.score is None else sign * self.score


def best_and_kept(taken: Sequence[Taken], data: Data) -> tuple[Taken, Taken]:
    """The best of the steps on the validation rows, and the one to keep.

    That is `FIT`, unless the best is ahead of it by more than one standard error: that of the
    difference on the same rows. Of a few steps the best on a few rows is best by luck, above all.
    Breiman et al. 1984, section 3.4.3, have the rule, with the error of the best alone.
    """
    best = max(taken, key=lambda one: one.worth)  # the first of equal ones
    usual = next(one for one in taken if one.name == FIT)
    return best, best if _is_ahead(best, usual, data) else usual


def _is_ahead(best: Taken, usual: Taken, data: Data) -> bool:
    """Whether the best step is, by more than the rows leave to luck."""
    if best.worth == usual.worth:
        return False
    if usual.worth == -math.inf:  # the metric is undefined, or the training diverged
        return True
    gains = _resampled(best, data) - _resampled(usual, data)
    gains = gains[np.isfinite(gains)]  # not all resamples have the metric
    return len(gains) == 0 or best.worth - usual.worth > float(gains.std())


def _resampled(step: Taken, data: Data) -> np.ndarray:
    """The metric on resamples of the validation rows, the same ones for each step; float64 (n,)."""
    path, task = step.folder / VALID, load_trained_model(step.folder).task  # with its thresholds
    outputs = outputs_in(read_predictions(path, task.described(), WITHOUT), task, path)
    metric, draws = step.results["metric"], Draws(groups=data.valid.group_codes())
    (drawn,) = resampled(task, data.valid.labels(), [outputs], (metric,), draws)
    return drawn[metric]
