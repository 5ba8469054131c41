"""How does a study begin, or go on? Its folder, its plan, and what has to be right beforehand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from steep import runs
from steep.args import CompareArgs
from steep.args.recipe import told
from steep.console import say
from steep.data.corpus import Corpus, Data, Task
from steep.errors import SteepError
from steep.metrics.scores import check_metric, defined, primary
from steep.stages import costs, facts
from steep.stages.fit import leaks
from steep.study.design import Design

FREE = ("overwrite", "jobs", "ray", "dry_run")  # options that change no result


def begin(out: Path, design: Design, args: CompareArgs, data: Data, metric: str) -> Design:
    """The design that is to be run: as asked for, or as it was fitted to a time at the start.

    Makes the study folder, or checks that the one there is of the same study (SteepError if not).
    A new study's plan is said first.
    """
    path, study = out / runs.STUDY, _manifest(args, data, metric, design)
    if path.is_file() and not args.overwrite:
        known = runs.read_json(path)
        changed = _changed(known, study)
        if changed:
            raise SteepError(
                f"{out} holds a study with other {changed}. Repeat its options to go on with it, "
                "choose another --out, or add --overwrite."
            )
        arms, budgets, seeds = (tuple(known[name]) for name in ("arms", "budgets", "seeds"))
        design = replace(design, arms=arms, budgets=budgets, seeds=seeds)
        left = sum(not cell.path(out).is_file() for cell in design.cells)
        say(f"{out}: going on with the study that is there, {left} cells are left")
        return design
    design = costs.planned(design, args, data)
    if args.dry_run:
        return design
    runs.make(out, args.overwrite)
    with runs.explained(out):
        parts = {"arms": design.arms, "budgets": design.budgets, "seeds": design.seeds}
        parts["notes"] = (*study["notes"], *design.told())
        runs.write_json(path, study | parts)
        data.splits.save(out / runs.SPLITS)
    say(f"finished cells are kept in {out}")
    return design


def _manifest(args: CompareArgs, data: Data, metric: str, design: Design) -> dict[str, Any]:
    from steep.models.devices import choose

    task = data.labelled()
    return runs.manifest("compare", args) | {
        "data": facts.describe(data),
        "task": task.described(),
        "metric": metric,
        "base": args.model,
        "recipes": design.recipes,
        "device": str(choose(args).device),
        "precision": "bf16" if choose(args).bf16 else "fp32",
        "notes": [*data.notes, *told(args), *leaks(data, args)],
    }


def _changed(known: dict[str, Any], study: dict[str, Any]) -> str:
    """What sets `study` apart from the one `known`, in words; empty if they are the same."""
    names = [
        n
        for n, value in study["args"].items()
        if n not in FREE and known["args"].get(n, value) != value
    ]
    if names:
        return f"options ({', '.join(names)})"
    if known.get("recipes", {}) != study["recipes"]:
        return "recipes (their files have changed)"
    return "rows" if known["data"] != study["data"] else ""


def test_of(data: Data) -> Corpus:
    """The test rows; SteepError where there are none to compare on, or to choose epochs by."""
    if data.test is None or not len(data.test) or not len(data.valid):
        raise SteepError(
            "A study needs validation rows, to choose epochs by, and test rows, to compare on: "
            "leave valid_share and test_share above 0, or name files with --valid and --test."
        )
    return data.test


def metric_of(task: Task, test: Corpus, args: CompareArgs) -> str:
    """The metric of the study; SteepError if it is unknown or undefined on the test rows."""
    metric = check_metric(task, args.metric) if args.metric else primary(task)
    if not defined(task, metric, test.labels()):
        raise SteepError(
            f"{metric} is undefined on the {len(test):,} test rows (one class only?). Choose "
            "another --metric, or a larger test_share."
        )
    return metric
