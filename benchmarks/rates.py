"""Which learning rate does an arm take? Of those tried, the best on the validation rows."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from steep import runs
from steep.data.corpus import Task
from steep.metrics.scores import higher_is_better, primary
from steep.study.design import Cell

Rate = float | None  # None for an arm that has none


def settled(
    finished: Callable[[Rate, int], Cell],
    rates: Sequence[Rate],
    seeds: Sequence[int],
    out: Path,
    task: Task,
) -> tuple[Rate, list[Cell]]:
    """The learning rate that an arm takes, and its cells with that rate, one a seed.

    All rates are tried with the first seed. `finished(rate, seed)` gives a cell of the arm in the
    folder `out`, and runs it first unless it is finished.
    """
    first = {rate: finished(rate, seeds[0]) for rate in rates}
    best = max(rates, key=lambda rate: _on_validation(out, first[rate], task))
    return best, [first[best], *(finished(best, seed) for seed in seeds[1:])]


def name(arm: str, rate: Rate) -> str:
    """An arm with a learning rate, as its files are called."""
    plain = arm.replace(" ", "-")
    return plain if rate is None else f"{plain}@{rate:g}"


def _on_validation(out: Path, cell: Cell, task: Task) -> float:
    """The primary metric, larger = better; minus infinity where the training diverged."""
    found = runs.read_json(cell.path(out))["valid"].get(primary(task))
    if found is None:
        return -math.inf
    return found if higher_is_better(primary(task)) else -found
