"""steep compare: was step 2 worth it? A paired study of several seeds, from plan to verdict."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import CompareArgs
from steep.console import say, say_next
from steep.data.budget import check_budgets
from steep.data.corpus import Data, join_corpora
from steep.data.grouped_looks import asks_for_groups
from steep.data.groups import SPLIT_ANEW, group_notes
from steep.data.load import load
from steep.data.readers import Source
from steep.errors import SteepError
from steep.outputs import claimed
from steep.places import find_place, inputs_of
from steep.run_shapes import TIMED
from steep.study.arms import ADAPTED, BASE, Arm
from steep.study.begin import begin_study, metric_of, test_of
from steep.study.cells import kept_cell, run_cells
from steep.study.cluster import reach_ray
from steep.study.design import Design, Study, plan_design, start_of
from steep.study.encoders import make_encoders, step2_folders
from steep.study.first_look import first_cell, nothing_learnt
from steep.study.verdict import CellResult, Question, verdict
from steep.study.verdict_words import in_money

ONE_ENCODER = (  # the figures: benchmarks/step2_noise.py
    "Step 2 ran only once: all seeds share one adapted encoder, and the answer is about that one. "
    "Other runs of step 2, with other masks and another order, differed by 0 to 1.2 points (sd, "
    "three data sets). The interval does not cover that: a gain below 2.4 points may be this run's "
    "luck. --step2-per-seed covers it."
)
OTHER_TEXT = (
    "The folder named by --model may have been adapted to other text than {arms}, whose step 2 ran "
    "in this study."
)
UNDERTRAINED = (
    "A linear model on word counts beats base, the fine-tuned checkpoint: more --epochs or a "
    "higher --learning-rate may help it, and change this answer."
)


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
        if not is_stopped(study):
            finish_study(study, run_cells(study, make_encoders(study)))
    return out


def is_stopped(study: Study) -> bool:
    """Whether the study ends after the first cell of base, as it has learnt nothing: then said.

    A study that went on before, as --keep-going had it, is not looked at again.
    """
    first = first_cell(study)
    others = (cell for cell in study.design.cells if cell != first)
    if study.args.study.keep_going or any(cell.is_kept(study.out) for cell in others):
        return False
    run_cells(study, {}, [first])
    found = nothing_learnt(study)
    if found is not None:
        keep_verdict(study, found, {})
    return found is not None


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
    check_budgets(data, args.study.label_budgets)
    test = test_of(data)
    metric = metric_of(data.labelled(), test, args.metric.metric)
    return Study(out, replace(design, given=start.given), start, data, test, metric, args)


def check_arms(study: Study) -> None:
    """Raises SteepError where checkpoint, data and options do not fit: before step 2, not after."""
    tried = set()
    for arm in sorted(study.design.arms, key=lambda arm: bool(arm.fit_options)):  # base first
        tune, step2 = study.design.tune_of(arm), study.design.step2_of(arm)
        given = step2.given if step2 else None
        if arm.check is None or (arm.check, tune, given) in tried:
            continue
        tried.add((arm.check, tune, given))
        try:
            arm.check(replace(study.common(), encoder=given, tune=tune, description=arm.name))
        except SteepError as error:
            raise SteepError(
                f"arm {arm.name}: {error}" if arm.fit_options else str(error)
            ) from None


def finish_study(study: Study, failed: dict[str, str]) -> None:
    """Write and say the verdict; `failed` says what went wrong, by the name of the cell."""
    task, args, out = study.data.labelled(), study.args, study.out
    kept, rows = (c for c in study.design.cells if c.is_kept(out)), study.test.rows()
    results = [kept_cell(cell, out, task, rows) for cell in kept]
    _check_results(study, results, failed)
    folders = step2_folders(study)
    took = {f: runs.manifest_at(f / runs.MANIFEST, TIMED)["seconds"] for f in folders.values()}
    adapted = {folder for (arm, _), folder in folders.items() if arm == ADAPTED}
    step2 = float(np.mean([took[folder] for folder in sorted(adapted)]))
    rivals = tuple(arm.name for arm in study.design.arms if arm.rival)
    question = Question(study.metric, args.study.smallest_effect, rivals, args.seed.seed)
    groups = study.test.group_codes()
    found = verdict(task, study.test.labels(), results, question, step2, groups)
    found["paragraph"] += in_money(found, args.prices)
    found["warnings"] += [f"{cell}: the run failed twice ({why})" for cell, why in failed.items()]
    found["warnings"] += cautions(found, study.design, args.study.step2_per_seed)
    found["warnings"] += group_cautions(study.data)
    if args.study.keep_going and (unskilled := nothing_learnt(study)):
        found["warnings"].insert(0, unskilled["sentence"])
    seconds = round(sum(took.values()) + sum(cell.seconds for cell in results), 1)
    spent = {"step2_seconds": step2, "failed": failed, "seconds": seconds}
    keep_verdict(study, found, spent)


def keep_verdict(study: Study, found: dict[str, Any], spent: dict[str, Any]) -> None:
    """Write and say a verdict; `spent` goes into study.json."""
    out = study.out
    runs.write_json(out / runs.VERDICT, found)
    runs.write_json(out / runs.STUDY, runs.read_json(out / runs.STUDY) | spent)
    say(f"\n{found['paragraph']}")
    for warning in found["warnings"]:
        say(f"Note: {warning}")
    say(f"study: {out}")
    say_next(shlex.join(["steep", "report", str(out)]))


def cautions(found: dict[str, Any], design: Design, per_seed: bool) -> list[str]:
    """What a reader of the verdict `found` should know of the design of the study."""
    said = [ONE_ENCODER] if len(design.seeds) > 1 and not per_seed else []
    others = [arm for arm, owner in design.step2_arms.items() if owner != ADAPTED]
    if design.given is not None and others:
        said.append(OTHER_TEXT.format(arms=", ".join(others)))
    for comparison in found["comparisons"]:
        if comparison["arm"] == "tfidf" and (comparison["low"] or 0) > 0:
            said.append(UNDERTRAINED)
    return said


def group_cautions(data: Data) -> list[str]:
    """What weakens the answer where rows belong together: groups in two parts, or none named."""
    name = data.table.groups.group
    if name is None:
        asked = asks_for_groups(join_corpora(list(data.parts.values())), examples=False)
        return [f"{why} Until then the interval may be too narrow." for why in asked]
    notes = group_notes(data.parts, name, data.splits.left_out)
    return [note for note in notes if note.endswith(SPLIT_ANEW)]


def _check_results(study: Study, results: list[CellResult], failed: dict[str, str]) -> None:
    """Raises SteepError where the arms to compare have no run with the most labels.

    The answer is that of the most labels, whatever the other label budgets say.
    """
    most = study.design.budgets[-1]
    for arm in (BASE, ADAPTED):
        if not any((cell.arm, cell.labels) == (arm, most) for cell in results):
            reasons = ", ".join(sorted(set(failed.values())))
            few = f" with {most:,} labels" if most else ""
            raise SteepError(f"{study.out}: every run of the arm {arm}{few} failed: {reasons}.")
