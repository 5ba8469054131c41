"""How is one cell of a study run? Every arm on the same rows, with the same seeds and metric."""

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
from steep.errors import SteepError
from steep.kept_tables import ANEW, read_predictions
from steep.metrics.scores import score
from steep.run_shapes import KEPT_CELL
from steep.shapes import shown
from steep.study.arms import Arm, CellInput
from steep.study.design import Cell
from steep.study.equal_compute import with_tokens
from steep.study.verdict import CellResult
from steep.wording import quoted


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
    """A cell with its arm, the encoder that it starts from (None: the base's own), and options.

    It trains for as many more epochs as it takes to read `more_tokens`.
    """

    cell: Cell
    arm: Arm = field(hash=False)
    encoder: Path | None = field(hash=False)
    tune: TuneArgs = field(hash=False)
    more_tokens: int = field(default=0, hash=False)


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
    started, tune = time.monotonic(), job.tune
    if job.more_tokens:
        tune = with_tokens(tune, data, common.base, job.more_tokens)
    given = CellInput(
        data=data,
        test=common.test,
        base=common.base,
        encoder=job.encoder,
        tune=tune,
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
    facts |= {"epochs": tune.epochs.epochs, "history": found.history}
    return Outcome(facts, found.test)


def keep_cell(cell: Cell, study: Path, facts: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Keep a finished cell: its predictions, then its results, which say that it is complete."""
    path = cell.path(study)
    runs.write_csv(path.with_suffix(".csv"), lines)
    runs.write_json(path, {"arm": cell.arm, "seed": cell.seed, "labels": cell.labels} | facts)


def kept_cell(cell: Cell, study: Path, task: Task, rows: np.ndarray) -> CellResult:
    """A finished cell as the verdict takes it; SteepError if it is not for the test `rows`."""
    path = cell.path(study)
    facts = runs.read_shaped(path, KEPT_CELL, ANEW)
    for name, value in vars(cell).items():
        if (found := facts.get(name)) != value:
            raise SteepError(
                f"{path}: the key '{name}' must be {shown(value)}, not {shown(found)}. {ANEW}"
            )
    outputs = _outputs(path.with_suffix(".csv"), task, rows)
    if not (facts["diverged"] or np.isfinite(outputs).all()):
        raise SteepError(f"{path.with_suffix('.csv')}: not all predictions are numbers. {ANEW}")
    if task.kind == "regression" and len(task.labels) == 1:
        outputs = outputs[:, 0]
    return CellResult(
        cell.arm, cell.seed, facts["seconds"], outputs, facts["diverged"], cell.labels
    )


def _outputs(path: Path, task: Task, rows: np.ndarray) -> np.ndarray:
    """What was predicted for these rows (n, labels); SteepError where the file says otherwise."""
    table = read_predictions(path, task.described(), ANEW)
    if list(table["row"]) != list(map(str, rows)):
        raise SteepError(f"{path}: its rows are not the {len(rows):,} test rows. {ANEW}")
    if task.kind == "regression":
        return np.array([cell.split("|") for cell in table["predicted"]], float)
    names = [f"p_{label}" for label in task.labels]
    if missing := next((name for name in names if name not in table), None):
        raise SteepError(f"{path}: the column {quoted(missing)} is missing. {ANEW}")
    return table[names].to_numpy(float)
