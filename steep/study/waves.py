"""In which order do the cells of a study run, and what becomes of one that fails?"""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from steep import runs
from steep.console import say
from steep.metrics.predictions import prediction_lines
from steep.options import change
from steep.study.arms import ADAPTED, BASE
from steep.study.cells import CellJob, Common, Outcome, keep_cell, run_cell
from steep.study.design import Cell
from steep.study.encoders import Encoders
from steep.study.jobs import run_jobs
from steep.study.study import Study


def run_cells(study: Study, encoders: Encoders) -> dict[str, str]:
    """Run what is not finished yet; returns what failed twice, by the name of the cell, and why."""
    failed: dict[str, str] = {}
    common = Common(study.data, study.test, study.start.base, study.metric, study.args.machine)
    workers = study.args.workers
    for wave in _waves(study):
        jobs = []
        for cell in wave:
            job = _job(cell, study, encoders)
            if job is None:
                failed[str(cell)] = "the run of base whose time it should take failed"
            else:
                jobs.append(job)
        for job, result in run_jobs(partial(run_cell, common), jobs, workers.jobs, workers.ray):
            if isinstance(result, Exception):
                failed[str(job.cell)] = f"{type(result).__name__}: {result}"
                say(f"{job.cell}: failed twice ({failed[str(job.cell)]}); left out")
            else:
                _keep(job.cell, result, study)
    return failed


def step2_seconds(study: Study) -> float:
    """Seconds of step 2 of the arm adapted, the mean where it ran for every seed."""
    folders = [*study.out.glob(f"{ADAPTED}-seed*"), study.out / ADAPTED]
    return float(np.mean([runs.read_manifest(f, "adapt")["seconds"] for f in folders]))


def _waves(study: Study) -> tuple[list[Cell], list[Cell]]:
    """The cells that are left; those of equal time come last: they have to know base's time."""
    late = {arm.name for arm in study.design.arms if arm.equal_time}
    left = [cell for cell in study.design.cells if not cell.path(study.out).is_file()]
    return [c for c in left if c.arm not in late], [c for c in left if c.arm in late]


def _job(cell: Cell, study: Study, encoders: Encoders) -> CellJob | None:
    """What a cell is run with; None where it needs a run of base that failed."""
    arm = study.design.arm(cell.arm)
    tune = study.design.tune_of(arm)
    if arm.equal_time:
        base = replace(cell, arm=BASE).path(study.out)
        if not base.is_file():
            return None
        longer = 1 + step2_seconds(study) / runs.read_json(base)["seconds"]
        tune = change(tune, {"epochs": math.ceil(tune.epochs.epochs * longer)})
    return CellJob(cell, arm, encoders.get((cell.arm, cell.seed)), tune)


def _keep(cell: Cell, outcome: Outcome, study: Study) -> None:
    """Write what a cell found."""
    lines = prediction_lines(study.test, study.data.labelled(), outcome.test)
    with runs.explained(study.out):
        keep_cell(cell, study.out, outcome.facts, lines)
    say(f"{cell}: {study.metric} {outcome.facts['test'].get(study.metric, math.nan):.4f}")
