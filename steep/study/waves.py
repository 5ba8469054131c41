"""With what do the cells of a study run that are left, and what becomes of one that fails?"""

import math
from functools import partial

from steep import outputs
from steep.console import say
from steep.metrics.predictions import prediction_lines
from steep.study.arms import ADAPTED
from steep.study.cells import CellJob, Common, Outcome, keep_cell, run_cell
from steep.study.design import Cell
from steep.study.encoders import Encoders, step2_folders
from steep.study.equal_compute import step2_tokens
from steep.study.jobs import run_jobs
from steep.study.study import Study


def run_cells(study: Study, encoders: Encoders) -> dict[str, str]:
    """Run what is not finished yet; returns what failed twice, by the name of the cell, and why."""
    failed: dict[str, str] = {}
    common = Common(study.data, study.test, study.start.base, study.metric, study.args.machine)
    workers = study.args.workers
    left = [cell for cell in study.design.cells if not cell.is_kept(study.out)]
    jobs = [_job(cell, study, encoders) for cell in left]
    for job, result in run_jobs(partial(run_cell, common), jobs, workers.jobs, workers.ray):
        if isinstance(result, Exception):
            failed[str(job.cell)] = f"{type(result).__name__}: {result}"
            say(f"{job.cell}: failed twice ({failed[str(job.cell)]}); left out")
        else:
            _keep(job.cell, result, study)
    return failed


def _job(cell: Cell, study: Study, encoders: Encoders) -> CellJob:
    """What a cell is run with."""
    arm = study.design.arm(cell.arm)
    adapted = step2_folders(study)[ADAPTED, cell.seed]
    more = step2_tokens(adapted) if arm.equal_compute else 0
    encoder = encoders.get((cell.arm, cell.seed))
    return CellJob(cell, arm, encoder, study.design.tune_of(arm), more)


def _keep(cell: Cell, outcome: Outcome, study: Study) -> None:
    """Write what a cell found."""
    lines = prediction_lines(study.test, study.data.labelled(), outcome.test)
    with outputs.Explained(study.out):
        keep_cell(cell, study.out, outcome.facts, lines)
    say(f"{cell}: {study.metric} {outcome.facts['test'].get(study.metric, math.nan):.4f}")
