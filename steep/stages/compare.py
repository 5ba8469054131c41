"""steep compare: was step 2 worth it? A paired study of several seeds, and its verdict."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import config, runs
from steep.config import AdaptArgs, CompareArgs, FitArgs
from steep.console import say
from steep.data.corpus import Corpus, Data, Task
from steep.data.load import load
from steep.errors import SteepError
from steep.metrics.scores import check_metric, primary, score
from steep.models.checkpoints import find
from steep.models.devices import choose
from steep.stages import facts
from steep.stages.adapt import adapt
from steep.stages.fit import leaks, splits_of
from steep.study import design
from steep.study.run import run
from steep.study.verdict import verdict
from steep.train import engine

ADAPTED = "adapted"
OF_FIT = ("epochs", "learning_rate", "max_length", "warmup", "weight_decay", "clip")
ONE_ENCODER = (
    "All seeds share one adapted encoder: the interval does not hold what another run of step 2, "
    "with other masks and another order, would have changed."
)
UNDERTRAINED = (
    "A linear model on word counts beats the fine-tuned checkpoint: the fine-tuning is too short "
    "or too slow. Raise --epochs or --learning-rate before asking what step 2 is worth."
)


def compare(source: Data | str | Path, *, out: str | Path, args: CompareArgs | None = None) -> Path:
    """Run a study of base against adapted; returns the folder `out` with its verdict.

    Finished cells are kept: the same command goes on where it was stopped. Raises SteepError for
    whatever is wrong with files, options or checkpoints.
    """
    args, out = args or CompareArgs(), Path(out)
    cells = design.plan(args)
    if args.model is None:
        raise SteepError("Name a checkpoint with --model; both arms start from it.")
    find(args.model)
    if args.encoder is not None:
        runs.read_manifest(args.encoder, "adapt")
    data = source if isinstance(source, Data) else load(Path(source), args, splits_of(args.encoder))
    task, test = data.labelled(), _test(data)
    metric = _metric(task, test, args)
    fitting = config.part(args, FitArgs)
    encoder_of = args.model if args.encoder else None
    engine.learner(data, args.encoder or args.model, fitting, encoder_of)  # fails before step 2
    _begin(out, args, data, metric)
    say(f"{len(cells)} cells: {args.arms} x {args.seeds} seeds; finished ones are kept in {out}")
    adapted = _adapted(data, out, args)
    for cell in cells:
        if not cell.path(out).is_file():
            _run(cell, data, test, adapted, fitting, out, metric)
    step2 = runs.read_manifest(adapted, "adapt")["seconds"]
    _finish(out, cells, task, test.labels(), metric, step2, args)
    return out


def _run(
    cell: design.Cell,
    data: Data,
    test: Corpus,
    adapted: Path,
    args: FitArgs,
    out: Path,
    metric: str,
) -> None:
    """Run a cell and keep what it found."""
    outcome = run(cell, data, test, adapted, args)
    lines = facts.prediction_lines(test, data.labelled().labels, outcome.test)
    with runs.explained(out):
        design.write(cell, out, outcome.facts, lines)
    value = outcome.facts["test"].get(metric, math.nan)
    say(f"{cell.arm}, seed {cell.seed}: {metric} {value:.4f}")


def adapting(args: CompareArgs) -> AdaptArgs:
    """The options of step 2 within a study."""
    assert args.model is not None
    return replace(
        config.part(args, AdaptArgs, without=OF_FIT),
        model=args.model,
        epochs=args.adapt_epochs,
        learning_rate=args.adapt_learning_rate,
        max_length=args.adapt_max_length,
    )


def _adapted(data: Data, out: Path, args: CompareArgs) -> Path:
    """The folder of the adapted encoder: the user's, or the study's own, made once.

    Of the user's the study keeps a record, for its report, but not the weights.
    """
    if args.encoder is not None:
        (out / ADAPTED).mkdir(exist_ok=True)
        for name in (runs.HISTORY, runs.RESULTS, runs.MANIFEST):
            shutil.copyfile(args.encoder / name, out / ADAPTED / name)
        return args.encoder
    if not (out / ADAPTED / runs.MANIFEST).is_file():
        try:
            adapt(data, out=out / ADAPTED, args=adapting(args), unlabelled=args.unlabelled)
        except SteepError:
            if not (out / runs.CELLS).exists():  # nothing is finished that could be gone on with
                shutil.rmtree(out)
            raise
    return out / ADAPTED


def _test(data: Data) -> Corpus:
    if data.test is None or not len(data.test) or not len(data.valid):
        raise SteepError(
            "A study needs validation rows, to choose epochs by, and test rows, to compare on: "
            "leave valid_share and test_share above 0, or name files with --valid and --test."
        )
    return data.test


def _metric(task: Task, test: Corpus, args: CompareArgs) -> str:
    """The metric of the study; SteepError if it is unknown or undefined on the test rows."""
    metric = check_metric(task, args.metric) if args.metric else primary(task)
    shape = (len(test),) if task.kind == "regression" else (len(test), len(task.labels))
    constant = np.full(shape, 1 / len(task.labels))
    if metric not in score(task, test.labels(), constant):
        raise SteepError(
            f"{metric} is undefined on the {len(test):,} test rows (one class only?). Choose "
            "another --metric, or a larger test_share."
        )
    return metric


def _begin(out: Path, args: CompareArgs, data: Data, metric: str) -> None:
    """Make the study folder, or check that the one there is of the same study."""
    task, path = data.labelled(), out / runs.STUDY
    study = runs.manifest("compare", args) | {
        "arms": list(dict.fromkeys(cell.arm for cell in design.plan(args))),
        "seeds": list(range(args.seed, args.seed + args.seeds)),
        "data": facts.describe(data),
        "task": {"kind": task.kind, "labels": list(task.labels)},
        "metric": metric,
        "base": args.model,
        "device": str(choose(args).device),
        "precision": "bf16" if choose(args).bf16 else "fp32",
        "notes": [*data.notes, *leaks(data, args)],
    }
    if path.is_file() and not args.overwrite:
        changed = _changed(runs.read_json(path), study)
        if changed:
            raise SteepError(
                f"{out} holds a study with other {changed}. Repeat its options to go on with it, "
                "choose another --out, or add --overwrite."
            )
        say(f"{out}: going on with the study that is there")
        return
    runs.make(out, args.overwrite)
    with runs.explained(out):
        runs.write_json(path, study)
        data.splits.save(out / runs.SPLITS)


def _changed(known: dict[str, Any], study: dict[str, Any]) -> str:
    """What sets `study` apart from the one `known`, in words; empty if they are the same."""
    names = [
        n for n, value in study["args"].items() if n != "overwrite" and known["args"][n] != value
    ]
    if names:
        return f"options ({', '.join(names)})"
    return "rows" if known["data"] != study["data"] else ""


def _finish(
    out: Path,
    cells: list[design.Cell],
    task: Task,
    labels: np.ndarray,
    metric: str,
    step2: float,
    args: CompareArgs,
) -> None:
    """Verdict and total cost."""
    results = [design.read(cell, out, task) for cell in cells]
    found = verdict(task, labels, results, metric, step2, args.smallest_effect, args.seed)
    found["warnings"] += _cautions(found, args)
    runs.write_json(out / runs.VERDICT, found)
    spent: dict[str, Any] = {"step2_seconds": step2}
    spent["seconds"] = round(step2 + sum(cell.seconds for cell in results), 1)
    runs.write_json(out / runs.STUDY, runs.read_json(out / runs.STUDY) | spent)
    say(f"\n{found['paragraph']}")
    for warning in found["warnings"]:
        say(f"Note: {warning}")
    say(f"study: {out}; 'steep report {out}' makes a page of it")


def _cautions(found: dict[str, Any], args: CompareArgs) -> list[str]:
    """What a reader of the verdict should know of the design of the study."""
    cautions = [ONE_ENCODER] if args.seeds > 1 else []
    for comparison in found["comparisons"]:
        if comparison["arm"] == "tfidf" and (comparison["low"] or 0) > 0:
            cautions.append(UNDERTRAINED)
    return cautions
