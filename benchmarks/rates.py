"""Which learning rate does an arm take? Of those tried, the best on the validation rows."""

import math
from collections.abc import Sequence
from pathlib import Path

from steep import runs
from steep.data.corpus import Task
from steep.metrics.scores import higher_is_better, primary
from steep.study.design import Cell


def name(arm: str, rate: float | None) -> str:
    """An arm with a rate, as its files are called; None where an arm has none."""
    plain = arm.replace(" ", "-")
    return plain if rate is None else f"{plain}@{rate:g}"


def on_validation(out: Path, cells: Sequence[Cell], task: Task) -> float:
    """The mean over finished cells, larger = better; where one diverged, the worst there is."""
    metric = primary(task)
    sign = 1 if higher_is_better(metric) else -1
    found = [runs.read_json(cell.path(out))["valid"].get(metric) for cell in cells]
    return -math.inf if None in found else sign * sum(found) / len(found)
