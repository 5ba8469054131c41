"""How are the cells of a study run, and kept? Every arm on the same rows, with the same seeds.

An arm that may spend what step 2 spends trains for so many epochs more. Compute is counted in
tokens, not in seconds: the same study then gives the same numbers on every machine, and after
every interruption.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steep import outputs, runs
from steep.args import TuneArgs
from steep.args.pretraining import WorkerArgs
from steep.console import say
from steep.data.budget import within
from steep.data.corpus import Data, Task
from steep.data.inputs import Rows, Sliding
from steep.errors import SteepError
from steep.metrics.predictions import ANEW, prediction_lines, read_predictions
from steep.metrics.scores import score
from steep.models.fit_defaults import settled_for
from steep.models.hub import find
from steep.options import change
from steep.run_shapes import KEPT_CELL, TOKENS_READ
from steep.shapes import shown
from steep.study.arms import ADAPTED, Arm, CellInput
from steep.study.cluster import Cluster, on_ray
from steep.study.design import Cell, Study
from steep.study.encoders import Encoders, step2_folders
from steep.study.jobs import run_jobs
from steep.study.verdict import CellResult
from steep.wording import quoted


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


def run_cell(common: CellInput, job: CellJob) -> Outcome:
    """Run one cell of a study, of which `common` has what is the same for all.

    A training that diverges has no scores; its predictions are NaN.
    """
    cell, data = job.cell, within(common.data, job.cell.labels, job.cell.seed)
    started, tune = time.monotonic(), settled_for(job.tune, data, common.base)
    if job.more_tokens:
        tune = with_tokens(tune, data, common.base, job.more_tokens)
    given = replace(common, data=data, encoder=job.encoder, tune=tune)
    found = job.arm.fit(replace(given, seed=cell.seed, description=str(cell)))
    diverged = not np.isfinite(found.test).all()
    seconds = round(time.monotonic() - started, 2)
    facts: dict[str, Any] = {"seconds": seconds, "diverged": diverged}
    parts = (("valid", common.data.valid, found.valid), ("test", common.test, found.test))
    for part, corpus, predicted in parts:
        facts[part] = {} if diverged else score(data.labelled(), corpus.labels(), predicted)
    facts |= {"epochs": tune.epochs.count, "history": found.history}
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
    return outputs_in(table, task, path)


def outputs_in(table: pd.DataFrame, task: Task, path: Path) -> np.ndarray:
    """The predictions in a table that was read from `path`, float64 (n, labels)."""
    if task.kind == "regression":
        return np.array([cell.split("|") for cell in table["predicted"]], float)
    names = [f"p_{label}" for label in task.labels]
    if missing := next((name for name in names if name not in table), None):
        raise SteepError(f"{path}: the column {quoted(missing)} is missing. {ANEW}")
    return table[names].to_numpy(float)


def run_cells(
    study: Study, encoders: Encoders, cells: Sequence[Cell] | None = None
) -> dict[str, str]:
    """Run those of `cells` (None: all) that are not finished yet.

    Returns what failed twice, by the name of the cell, and why.
    """
    failed: dict[str, str] = {}
    common = study.common()
    asked = study.design.cells if cells is None else cells
    left = [cell for cell in asked if not cell.is_kept(study.out)]
    jobs = [_job(cell, study, encoders) for cell in left]
    for job, result in _results(common, jobs, study.args.workers):
        if isinstance(result, Exception):
            failed[str(job.cell)] = f"{type(result).__name__}: {result}"
            say(f"{job.cell}: failed twice ({failed[str(job.cell)]}); left out")
            continue
        lines = prediction_lines(study.test, study.data.labelled(), result.test)
        with outputs.Explained(study.out):
            keep_cell(job.cell, study.out, result.facts, lines)
        say(f"{job.cell}: {study.metric} {result.facts['test'].get(study.metric, math.nan):.4f}")
    return failed


def _results(
    common: CellInput, jobs: Sequence[CellJob], workers: WorkerArgs
) -> Iterator[tuple[CellJob, Outcome | Exception]]:
    """The jobs and what they gave, run where the options say."""
    from steep.models.devices import gpus

    if workers.ray is None:
        shared = gpus(common.machine) if workers.jobs > 1 else 0
        return run_jobs(partial(run_cell, common), jobs, workers.jobs, shared)
    sent = replace(common, data=common.data.in_memory(), test=common.test.in_memory())
    cluster = Cluster(workers.ray, workers.jobs, common.machine.device in ("auto", "cuda"))
    return on_ray(partial(run_sent, sent), jobs, partial(folders_of, common.base), cluster)


def folders_of(base: str, job: CellJob) -> list[Path]:
    """The folders that a cell reads: the base's, and that of its encoder where it has one."""
    return [find(base), *([] if job.encoder is None else [job.encoder])]


def run_sent(common: CellInput, job: CellJob, folders: Sequence[Path]) -> Outcome:
    """Run a cell with copies of its folders, as `folders_of` names them."""
    base, *encoder = folders
    common = replace(common, base=str(base))
    return run_cell(common, replace(job, encoder=encoder[0]) if encoder else job)


def _job(cell: Cell, study: Study, encoders: Encoders) -> CellJob:
    """What a cell is run with."""
    arm = study.design.arm(cell.arm)
    adapted = step2_folders(study)[ADAPTED, cell.seed]
    more = step2_tokens(adapted) if arm.equal_compute else 0
    encoder = encoders.get((cell.arm, cell.seed))
    return CellJob(cell, arm, encoder, study.design.tune_of(arm), more)


def step2_tokens(folder: Path) -> int:
    """The tokens that the step 2 in `folder` was trained on; SteepError if it does not say."""
    return int(runs.read_shaped(folder / runs.RESULTS, TOKENS_READ)["tokens"])


def with_tokens(tune: TuneArgs, data: Data, base: str, tokens: int) -> TuneArgs:
    """`tune` with so many more epochs on the training rows of `data` that these `tokens` are read.

    Padding does not count, as it does not in those of step 2; the last epoch is a whole one.
    """
    more = tokens / tokens_of_pass(tune, data, base)
    return change(tune, {"epochs": math.ceil(tune.epochs.count + more)})


def tokens_of_pass(tune: TuneArgs, data: Data, base: str) -> int:
    """The tokens of one pass over the training rows of `data`, as the checkpoint `base` is fed."""
    from steep.models.checkpoints import load_tokenizer

    long = tune.long_texts
    how = (tune.length.max_length, long.truncation, Sliding(long.max_windows))
    return int(Rows(data.train, data.labelled(), load_tokenizer(base), *how).lengths.sum())
