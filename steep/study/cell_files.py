"""How is a finished cell of a study kept? Two files: its predictions, then its results."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.data.corpus import Task
from steep.study.design import Cell
from steep.study.verdict import CellResult


def keep_cell(cell: Cell, study: Path, facts: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Keep a finished cell: its predictions, then its results, which say that it is complete."""
    path = cell.path(study)
    runs.write_csv(path.with_suffix(".csv"), lines)
    runs.write_json(path, {"arm": cell.arm, "seed": cell.seed, "labels": cell.labels} | facts)


def kept_cell(cell: Cell, study: Path, task: Task) -> CellResult:
    """A finished cell as the verdict takes it."""
    facts = runs.read_json(cell.path(study))
    with cell.path(study).with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        outputs = np.array([_predicted(line, task) for line in csv.DictReader(stream)])
    if task.kind == "regression" and len(task.labels) == 1:
        outputs = outputs[:, 0]
    return CellResult(
        cell.arm, cell.seed, facts["seconds"], outputs, facts["diverged"], cell.labels
    )


def _predicted(line: dict[str, str], task: Task) -> list[float]:
    """What was predicted in a line: probabilities, or targets joined by '|'."""
    if task.kind == "regression":
        return [float(value) for value in line["predicted"].split("|")]
    return [float(line[f"p_{label}"]) for label in task.labels]
