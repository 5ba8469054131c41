"""Which runs does a study consist of? Arms times seeds, each a cell with a name and two files."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.config import CompareArgs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.verdict import CellResult

ARMS = {
    "tfidf": "word counts and a linear model",
    "base": "the checkpoint, fine-tuned",
    "adapted": "the checkpoint after step 2, fine-tuned",
}


@dataclass(frozen=True)
class Cell:
    """One run of a study: an arm with a seed (of head, order of batches, dropout, label sample)."""

    arm: str
    seed: int

    def path(self, study: Path) -> Path:
        """The file of this cell's results; it is there when the cell is finished."""
        return study / runs.CELLS / f"{self.arm}-seed{self.seed}.json"


def plan(args: CompareArgs) -> list[Cell]:
    """The cells of a study, seed by seed, so that an unfinished study has whole pairs.

    Raises SteepError for an unknown arm, or when base or adapted is missing.
    """
    arms = [name.strip() for name in args.arms.split(",") if name.strip()]
    for name in arms:
        if name not in ARMS:
            raise SteepError(f"arms: there is no arm '{name}'. The arms are {', '.join(ARMS)}.")
    if not {"base", "adapted"} <= set(arms):
        raise SteepError(f"arms {args.arms}: a study needs base and adapted, which it compares.")
    seeds = range(args.seed, args.seed + args.seeds)
    return [Cell(arm, seed) for seed in seeds for arm in dict.fromkeys(arms)]


def write(cell: Cell, study: Path, facts: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Keep a finished cell: its predictions, then its results, which say that it is complete."""
    path = cell.path(study)
    runs.write_csv(path.with_suffix(".csv"), lines)
    runs.write_json(path, {"arm": cell.arm, "seed": cell.seed} | facts)


def read(cell: Cell, study: Path, task: Task) -> CellResult:
    """A finished cell as the verdict takes it."""
    facts = runs.read_json(cell.path(study))
    columns = [f"p_{label}" for label in task.labels]
    columns = ["predicted"] if task.kind == "regression" else columns
    with cell.path(study).with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        rows = [[float(line[name]) for name in columns] for line in csv.DictReader(stream)]
    outputs = np.array(rows)[:, 0] if task.kind == "regression" else np.array(rows)
    return CellResult(cell.arm, cell.seed, facts["seconds"], outputs, facts["diverged"])
