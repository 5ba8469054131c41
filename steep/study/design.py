"""Which runs does a study consist of? Arms x label budgets x seeds: cells, two files each."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import CompareArgs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.verdict import CellResult

ADAPTED = "adapted"
ARMS = {
    "tfidf": "word counts and a linear model",
    "base": "the checkpoint, fine-tuned",
    ADAPTED: "the checkpoint after step 2 on the text at hand, fine-tuned",
    "in-domain": "the checkpoint after step 2 on that and other texts of the domain",
    "cross-domain": "the checkpoint after step 2 on that and texts of other domains",
    "longer": "base, trained longer: by the time that step 2 takes",
}
STEP2 = (ADAPTED, "in-domain", "cross-domain")
"""The arms that start from an encoder of their own."""


@dataclass(frozen=True)
class Cell:
    """One run of a study: an arm with a seed (of head, order of batches, dropout, label sample).

    `labels` is how many training labels it may use; None for all.
    """

    arm: str
    seed: int
    labels: int | None = None

    def __str__(self) -> str:
        few = f", {self.labels:,} labels" if self.labels else ""
        return f"{self.arm}, seed {self.seed}{few}"

    def path(self, study: Path) -> Path:
        """The file of this cell's results; it is there when the cell is finished."""
        few = f"-{self.labels}" if self.labels else ""
        return study / runs.CELLS / f"{self.arm}{few}-seed{self.seed}.json"


@dataclass(frozen=True)
class Design:
    """Arms x label budgets x seeds; a budget is None where all labels are used."""

    arms: tuple[str, ...]
    budgets: tuple[int | None, ...]
    seeds: tuple[int, ...]

    @property
    def cells(self) -> list[Cell]:
        """Seed by seed, so that an unfinished study has whole pairs; equal compute comes last."""
        order = sorted(self.arms, key=lambda arm: arm == "longer")
        return [Cell(a, s, n) for s in self.seeds for n in self.budgets for a in order]

    def __str__(self) -> str:
        budgets = f" x {len(self.budgets)} label budgets" if len(self.budgets) > 1 else ""
        return f"{', '.join(self.arms)} x {len(self.seeds)} seeds{budgets}"


def plan(args: CompareArgs) -> Design:
    """The design that the options declare.

    Raises SteepError for an unknown arm, when base or adapted is missing, or an arm lacks its text.
    """
    arms = tuple(dict.fromkeys(name.strip() for name in args.arms.split(",") if name.strip()))
    for name in arms:
        if name not in ARMS:
            raise SteepError(f"arms: there is no arm '{name}'. The arms are {', '.join(ARMS)}.")
    if not {"base", "adapted"} <= set(arms):
        raise SteepError(f"arms {args.arms}: a study needs base and adapted, which it compares.")
    for arm, files in (("in-domain", args.in_domain), ("cross-domain", args.cross_domain)):
        if (arm in arms) != bool(files):
            flag = f"--{arm} FILE"
            raise SteepError(
                f"the arm {arm} and its text belong together: name both, or neither "
                f"(--arms ...,{arm} and {flag})."
            )
    if min(args.label_budget, default=1) < 1:
        raise SteepError("label_budget: every number of labels must be at least 1.")
    budgets: tuple[int | None, ...] = tuple(sorted(set(args.label_budget))) or (None,)
    return Design(arms, budgets, tuple(range(args.seed, args.seed + args.seeds)))


def write(cell: Cell, study: Path, facts: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Keep a finished cell: its predictions, then its results, which say that it is complete."""
    path = cell.path(study)
    runs.write_csv(path.with_suffix(".csv"), lines)
    runs.write_json(path, {"arm": cell.arm, "seed": cell.seed, "labels": cell.labels} | facts)


def read(cell: Cell, study: Path, task: Task) -> CellResult:
    """A finished cell as the verdict takes it."""
    facts = runs.read_json(cell.path(study))
    columns = [f"p_{label}" for label in task.labels]
    columns = ["predicted"] if task.kind == "regression" else columns
    with cell.path(study).with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        rows = [[float(line[name]) for name in columns] for line in csv.DictReader(stream)]
    outputs = np.array(rows)[:, 0] if task.kind == "regression" else np.array(rows)
    return CellResult(
        cell.arm, cell.seed, facts["seconds"], outputs, facts["diverged"], cell.labels
    )
