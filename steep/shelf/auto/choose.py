"""Which of the steps is kept? The cheapest that the validation rows cannot tell from the best."""

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
    """The best of the steps, and the one to keep; `taken` is in the order of what they cost.

    Kept is the cheapest that the best is ahead of by no more than one standard error, that of the
    difference on the same rows. Breiman et al. 1984, section 3.4.3, have the rule, with the error
    of the best alone.
    """
    best = max(taken, key=lambda one: one.worth)  # the first of equal ones
    return best, next(one for one in taken if one is best or _as_good(one, best, data))


def _as_good(one: Taken, best: Taken, data: Data) -> bool:
    """Whether the rows cannot tell a step from the best: not where the metric is undefined."""
    if -math.inf in (one.worth, best.worth):
        return False
    gains = _resampled(best, data) - _resampled(one, data)
    gains = gains[np.isfinite(gains)]  # not all resamples have the metric
    return len(gains) > 0 and best.worth - one.worth <= float(gains.std())


def _resampled(step: Taken, data: Data) -> np.ndarray:
    """The metric on resamples of the validation rows, the same ones for each step; float64 (n,)."""
    path, task = step.folder / VALID, load_trained_model(step.folder).task  # with its thresholds
    outputs = outputs_in(read_predictions(path, task.described(), WITHOUT), task, path)
    metric, draws = step.results["metric"], Draws(groups=data.valid.group_codes())
    (drawn,) = resampled(task, data.valid.labels(), [outputs], (metric,), draws)
    return drawn[metric]
