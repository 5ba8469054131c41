"""How does a study end? With its verdict, the cautions that go with it, and what it cost."""

import shlex
from typing import Any

import numpy as np

from steep import runs
from steep.console import say
from steep.errors import SteepError
from steep.run_shapes import TIMED
from steep.study.arms import ADAPTED, BASE
from steep.study.cells import kept_cell
from steep.study.design import Design
from steep.study.encoders import step2_folders
from steep.study.study import Study
from steep.study.verdict import CellResult, Question, verdict

ONE_ENCODER = (
    "All seeds share one adapted encoder: the interval does not include what another run of step "
    "2, with other masks and another order, would have changed."
)
OTHER_TEXT = (
    "The folder named by --model may have been adapted to other text than {arms}, whose step 2 ran "
    "in this study."
)
UNDERTRAINED = (
    "A linear model on word counts beats the fine-tuned checkpoint: the fine-tuning is too short, "
    "or its learning rate too low. Raise --epochs or --learning-rate before asking what step 2 is "
    "worth."
)


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
    found = verdict(task, study.test.labels(), results, question, step2)
    found["warnings"] += [f"{cell}: the run failed twice ({why})" for cell, why in failed.items()]
    found["warnings"] += cautions(found, study.design, args.study.step2_per_seed)
    runs.write_json(out / runs.VERDICT, found)
    seconds = round(sum(took.values()) + sum(cell.seconds for cell in results), 1)
    spent = {"step2_seconds": step2, "failed": failed, "seconds": seconds}
    runs.write_json(out / runs.STUDY, runs.read_json(out / runs.STUDY) | spent)
    say(f"\n{found['paragraph']}")
    for warning in found["warnings"]:
        say(f"Note: {warning}")
    again = shlex.join(["steep", "report", str(out)])
    say(f"study: {out}; this makes a page of it: {again}")


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
