"""How does a study begin, or resume? Its folder, its plan, and what has to be right beforehand."""

from dataclasses import replace
from typing import Any

from steep import runs
from steep.args.recipes import told
from steep.args.renamed import FORMAT
from steep.args.training import BaseArgs
from steep.console import say
from steep.data import facts
from steep.data.corpus import Corpus, Data, Task
from steep.errors import SteepError
from steep.metrics.scores import check_metric, defined, primary
from steep.options import identity_of
from steep.stages.fit import leaks
from steep.study.costs import planned
from steep.study.design import Design
from steep.study.study import Study


def begin_study(study: Study) -> Study:
    """The study that is to be run: as asked for, or as it was cut to a time limit at the start.

    Makes the study folder, or checks that the one there is of the same study (SteepError if not).
    A new study's plan is said first.
    """
    path, output = study.out / runs.STUDY, study.args.output
    if path.is_file() and not output.overwrite:
        return _resumed(study, runs.read_json(path))
    study = replace(study, design=planned(study))
    if study.args.plan.dry_run:
        return study
    runs.make(study.out, output.overwrite)
    with runs.explained(study.out):
        runs.write_json(path, _record(study))
        study.data.splits.save(study.out / runs.SPLITS)
    say(f"finished cells are kept in {study.out}")
    return study


def _resumed(study: Study, known: dict[str, Any]) -> Study:
    """The study with the design that is `known` of it; SteepError if the folder holds another."""
    if known.get("format", 1) < FORMAT:
        raise SteepError(
            f"{study.out} holds a study of an older version of Steep, which this version cannot "
            "resume: choose another --out, or add --overwrite."
        )
    if changed := _changed(known, study):
        raise SteepError(
            f"{study.out} holds a study with other {changed}. Repeat its options to resume it, "
            "choose another --out, or add --overwrite."
        )
    design = replace(
        study.design,
        arms=tuple(study.design.arm(name) for name in known["arms"]),
        budgets=tuple(known["budgets"]),
        seeds=tuple(known["seeds"]),
    )
    left = sum(not cell.path(study.out).is_file() for cell in design.cells)
    say(f"{study.out}: resuming the study that is there, {left} cells are left")
    return replace(study, design=design)


def _record(study: Study) -> dict[str, Any]:
    """What study.json says of a study that begins."""
    from steep.models.devices import choose

    args, data, design = study.args, study.data, study.design
    machine, base = choose(args.machine), BaseArgs(base=study.start.base)
    record = runs.manifest("compare", args)
    notes = [*data.notes, *told(args.recipe, args.tune), *leaks(data, args.start, base)]
    return record | {
        "args": record["args"] | _further_options(design),
        "data": facts.describe(data),
        "task": data.labelled().described(),
        "metric": study.metric,
        "base": study.start.base,
        "arms": design.names,
        "budgets": design.budgets,
        "seeds": design.seeds,
        "recipes": _recipes(design),
        "step2": design.step2_arms,
        "device": str(machine.device),
        "precision": "bf16" if machine.bf16 else "fp32",
        "notes": [*notes, *design.notes()],
    }


def _recipes(design: Design) -> dict[str, dict[str, Any]]:
    """For each arm with options of its own, the tables in which it differs from the study."""
    return {
        arm.name: {"fit": dict(arm.fit_options)}
        | ({"adapt": dict(arm.adapt_options)} if arm.pretrain else {})
        for arm in design.arms
        if arm.fit_options or arm.adapt_options
    }


def _further_options(design: Design) -> dict[str, Any]:
    """Options that arms from outside the core bring along."""
    return {name: value for arm in design.arms for name, value in arm.options.items()}


def _changed(known: dict[str, Any], study: Study) -> str:
    """What sets `study` apart from the one `known`, in words; empty if they are the same."""
    arms = tuple(arm for arm in study.design.arms if arm.name in known["arms"])
    design, before = replace(study.design, arms=arms), known["args"]
    asked = identity_of(study.args) | _further_options(design)
    names = [name for name, value in asked.items() if before.get(name) != value]
    if names:
        return f"options ({', '.join(names)})"
    if known["recipes"] != _recipes(design):
        return "recipes (their files have changed)"
    return "rows" if known["data"] != facts.describe(study.data) else ""


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
