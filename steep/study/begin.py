"""How does a study begin, or resume? Its folder, its plan, and what has to be right beforehand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steep import outputs, runs
from steep.args.recipes import told
from steep.args.renamed import FORMAT
from steep.args.training import BaseArgs
from steep.console import say
from steep.data import facts
from steep.data.corpus import Corpus, Data, Task
from steep.errors import SteepError
from steep.metrics.scores import check_metric, defined, primary
from steep.run_shapes import RESUMED_STUDY, STUDY
from steep.shapes import checked, shown
from steep.stages.fit import leaks
from steep.study.arms import ADAPTED, BASE
from steep.study.cells import kept_cell
from steep.study.costs import planned
from steep.study.design import Design
from steep.study.encoders import check_step2
from steep.study.identity import changed, contents_of, further_options, recipes_of
from steep.study.study import Study


def begin_study(study: Study) -> Study:
    """The study that is to be run: as asked for, or as it was cut to a time limit at the start.

    Makes the study folder, or checks that the one there is of the same study (SteepError if not).
    A new study's plan is said first.
    """
    path, output = study.out / runs.STUDY, study.args.output
    if path.is_file() and not output.overwrite:
        return _resumed(study, path)
    study = replace(study, design=planned(study))
    if study.args.plan.dry_run:
        return study
    outputs.make(study.out, output.overwrite)
    with outputs.Explained(study.out):
        runs.write_json(path, _record(study))
        study.data.splits.save(study.out / runs.SPLITS)
    say(f"finished cells are kept in {study.out}")
    return study


def _resumed(study: Study, path: Path) -> Study:
    """The study with the design that its study.json knows; SteepError if that is of another."""
    known = runs.manifest_at(path, STUDY)
    if known.get("format", 1) < FORMAT or "contents" not in known:
        raise SteepError(
            f"{study.out} holds a study of an older version of Steep, which this version cannot "
            "resume: choose another --out, or add --overwrite."
        )
    checked(known, RESUMED_STUDY, path, runs.WRITE_AGAIN)
    if what := changed(known, study):
        raise SteepError(
            f"{study.out} holds a study with other {what}. Repeat its options to resume it, "
            "choose another --out, or add --overwrite."
        )
    study = replace(study, design=_design_of(known, study.design, path))
    check_step2(study)
    for cell in (kept := [cell for cell in study.design.cells if cell.is_kept(study.out)]):
        kept_cell(cell, study.out, study.data.labelled(), study.test.rows())
    left = len(study.design.cells) - len(kept)
    say(f"{study.out}: resuming the study that is there, {left} cells are left")
    return study


def _design_of(known: dict[str, Any], asked: Design, path: Path) -> Design:
    """What is left of the design that was `asked` for, once it was cut to a time limit."""
    design = replace(
        asked,
        arms=tuple(arm for arm in asked.arms if arm.name in known["arms"]),
        budgets=tuple(budget for budget in asked.budgets if budget in known["budgets"]),
        seeds=tuple(seed for seed in asked.seeds if seed in known["seeds"]),
    )
    _check_left("arms", known, design.names, asked.names, path)
    _check_left("budgets", known, design.budgets, asked.budgets, path)
    _check_left("seeds", known, design.seeds, asked.seeds, path)
    if not {BASE, ADAPTED} <= {*design.names}:
        raise SteepError(f"{path}: the key 'arms' must hold base and adapted. {runs.WRITE_AGAIN}")
    return design


def _check_left(
    name: str, known: dict[str, Any], left: Sequence[Any], asked: Sequence[Any], path: Path
) -> None:
    """Raises SteepError where study.json has anything but some of what the options ask for."""
    if not left or len(left) != len(known[name]):
        whole = ", ".join(shown(value) for value in asked)
        raise SteepError(
            f"{path}: the key '{name}' must hold some of these, as the options say: {whole}. "
            f"{runs.WRITE_AGAIN}"
        )


def _record(study: Study) -> dict[str, Any]:
    """What study.json says of a study that begins."""
    from steep.models.devices import choose

    args, data, design = study.args, study.data, study.design
    machine, base = choose(args.machine), BaseArgs(base=study.start.base)
    record = runs.manifest("compare", args)
    notes = [*data.notes, *told(args.recipe, args.tune), *leaks(data, args.start, base)]
    return record | {
        "args": record["args"] | further_options(design),
        "contents": contents_of(study),
        "data": facts.describe(data),
        "task": data.labelled().described(),
        "metric": study.metric,
        "base": study.start.base,
        "arms": design.names,
        "budgets": design.budgets,
        "seeds": design.seeds,
        "recipes": recipes_of(design, design.names),
        "step2": design.step2_arms,
        "device": str(machine.device),
        "precision": "bf16" if machine.bf16 else "fp32",
        "notes": [*notes, *design.notes()],
    }


def test_of(data: Data) -> Corpus:
    """The test rows; SteepError where there are none to compare on, or to choose epochs by."""
    if data.test is None or not len(data.test) or not len(data.valid):
        raise SteepError(
            "A study needs validation rows, to choose epochs by, and test rows, to compare on: "
            "leave valid_share and test_share above 0, or name files with --valid and --test."
        )
    return data.test


def metric_of(task: Task, test: Corpus, name: str | None) -> str:
    """The metric called `name`, or that of the task; SteepError if unknown, or undefined here."""
    metric = check_metric(task, name) if name else primary(task)
    if not defined(task, metric, test.labels()):
        raise SteepError(
            f"{metric} is undefined on the {len(test):,} test rows (one class only?). Choose "
            "another --metric, or a larger test_share."
        )
    return metric
