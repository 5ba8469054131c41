"""How is one cell of a study run? Every arm on the same rows, with the same seeds and metric."""

import csv
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import TuneArgs
from steep.args.running import MachineArgs
from steep.data.budget import within
from steep.data.corpus import Corpus, Data, Task
from steep.metrics.scores import score
from steep.study.arms import Arm, CellInput
from steep.study.design import Cell
from steep.study.verdict import CellResult


@dataclass(frozen=True)
class Common:
    """What all cells of a study have in common."""

    data: Data
    test: Corpus
    base: str
    metric: str
    machine: MachineArgs = MachineArgs()


@dataclass(frozen=True)
class CellJob:
    """A cell with its arm, the encoder that it starts from (None: the base's own), and options."""

    cell: Cell
    arm: Arm = field(hash=False)
    encoder: Path | None = field(hash=False)
    tune: TuneArgs = field(hash=False)


@dataclass(frozen=True)
class Outcome:
    """What a cell found: facts for its file, and its predictions on the test rows."""

    facts: dict[str, Any]
    test: np.ndarray


def run_cell(common: Common, job: CellJob) -> Outcome:
    """Run one cell.

    A training that diverges has no scores; its predictions are NaN.
    """
    cell, data = job.cell, within(common.data, job.cell.labels, job.cell.seed)
    started = time.monotonic()
    given = CellInput(
        data=data,
        test=common.test,
        base=common.base,
        encoder=job.encoder,
        tune=job.tune,
        seed=cell.seed,
        metric=common.metric,
        machine=common.machine,
        description=str(cell),
    )
    found = job.arm.fit(given)
    diverged = not np.isfinite(found.test).all()
    seconds = round(time.monotonic() - started, 2)
    facts: dict[str, Any] = {"seconds": seconds, "diverged": diverged}
    parts = (("valid", common.data.valid, found.valid), ("test", common.test, found.test))
    for part, corpus, outputs in parts:
        facts[part] = {} if diverged else score(data.labelled(), corpus.labels(), outputs)
    facts |= {"epochs": job.tune.epochs.epochs, "history": found.history}
    return Outcome(facts, found.test)


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
