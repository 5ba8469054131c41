"""steep compare: was step 2 worth it? A paired study of several seeds, and its verdict."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steep.args import CompareArgs
from steep.data.corpus import Data
from steep.data.load import load
from steep.data.readers import Source
from steep.errors import SteepError
from steep.outputs import claimed
from steep.places import find_place, inputs_of
from steep.study.arms import Arm, CellInput
from steep.study.begin import begin_study, metric_of, test_of
from steep.study.design import plan_design
from steep.study.encoders import make_encoders
from steep.study.finish import finish_study
from steep.study.jobs import reach_ray
from steep.study.study import Study, start_of
from steep.study.waves import run_cells


def compare(
    source: Source | Data, *, out: Path, args: CompareArgs, arms: Sequence[Arm] = ()
) -> Path:
    """Run a study of base against adapted; returns the folder `out` with its verdict.

    `arms` are further ones, which `args` names beside those of the core. Finished cells are kept:
    the same call resumes a study that was stopped. With `dry_run` the plan is said, and nothing is
    written. Raises SteepError for whatever is wrong with files, options or checkpoints.
    """
    overwrite, inputs = args.output.overwrite, inputs_of(args, source)
    find_place(out, "study", overwrite, inputs)
    study = prepared(source, out, args, arms)
    check_arms(study)
    if args.plan.dry_run:
        begin_study(study)
        return out
    with claimed(out, "study", overwrite, inputs):
        study = begin_study(study)
        failed = run_cells(study, make_encoders(study))
        finish_study(study, failed)
    return out


def prepared(source: Source | Data, out: Path, args: CompareArgs, arms: Sequence[Arm]) -> Study:
    """The study that is asked for, its data read; nothing is written."""
    design = plan_design(args, arms)
    start = start_of(args.start.model, args.base.base)
    if start.given is not None and args.study.step2_per_seed:
        raise SteepError(
            f"step2_per_seed: {start.given} is one finished step 2 for all seeds. Leave the option "
            f"out, or name {start.base} as --model, for step 2 to run here."
        )
    if args.workers.ray is not None:
        reach_ray(args.workers.ray)
    data = load(source, args.table, args.split, start.splits)
    test = test_of(data)
    metric = metric_of(data.labelled(), test, args.metric.metric)
    return Study(out, replace(design, given=start.given), start, data, test, metric, args)


def check_arms(study: Study) -> None:
    """Raises SteepError where checkpoint, data and options do not fit: before step 2, not after."""
    tried = set()
    for arm in study.design.arms:
        tune, step2 = study.design.tune_of(arm), study.design.step2_of(arm)
        given = step2.given if step2 else None
        if arm.check is None or (arm.check, tune, given) in tried:
            continue
        tried.add((arm.check, tune, given))
        try:
            arm.check(
                CellInput(
                    data=study.data,
                    test=study.test,
                    base=study.start.base,
                    encoder=given,
                    tune=tune,
                    seed=study.args.seed.seed,
                    metric=study.metric,
                    machine=study.args.machine,
                    description=arm.name,
                )
            )
        except SteepError as error:
            raise SteepError(
                f"arm {arm.name}: {error}" if arm.fit_options else str(error)
            ) from None
