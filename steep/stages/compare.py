"""steep compare: was step 2 worth it? A paired study of several seeds, and its verdict."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from steep import config, runs
from steep.args import CompareArgs, FitArgs
from steep.console import say
from steep.data.corpus import Corpus, Data, Task
from steep.data.load import load
from steep.errors import SteepError
from steep.models.hub import find
from steep.stages import encoders, facts
from steep.stages.begin import begin, metric_of, test_of
from steep.stages.fit import splits_of
from steep.study import work
from steep.study.design import ADAPTED, AWD_LSTM, Cell, Design, plan, read, write
from steep.study.run import Job, Outcome, run
from steep.study.verdict import verdict

ONE_ENCODER = (
    "All seeds share one adapted encoder: the interval does not hold what another run of step 2, "
    "with other masks and another order, would have changed."
)
OTHER_TEXT = (
    "The arm awd-lstm read the training rows and --unlabelled; the --encoder may have read other "
    "text."
)
UNDERTRAINED = (
    "A linear model on word counts beats the fine-tuned checkpoint: the fine-tuning is too short "
    "or too slow. Raise --epochs or --learning-rate before asking what step 2 is worth."
)


def compare(source: Data | str | Path, *, out: str | Path, args: CompareArgs | None = None) -> Path:
    """Run a study of base against adapted; returns the folder `out` with its verdict.

    Finished cells are kept: the same command goes on where it was stopped. With `args.dry_run`
    the plan is said, and nothing is written. Raises SteepError for whatever is wrong with files,
    options or checkpoints.
    """
    args, out = args or CompareArgs(), Path(out)
    design = plan(args)
    if args.model is None:
        raise SteepError("Name a checkpoint with --model; all arms start from it.")
    find(args.model)
    if args.ray is not None:
        work.reach(args.ray)
    if args.encoder is not None:
        runs.read_manifest(args.encoder, "adapt")
    data = source if isinstance(source, Data) else load(Path(source), args, splits_of(args.encoder))
    test = test_of(data)
    metric = metric_of(data.labelled(), test, args)
    fitting = config.part(args, FitArgs, without=("label_budget",))
    _try_out(design, data, fitting, args.awd_lstm)
    design = begin(out, design, args, data, metric)
    if args.dry_run:
        return out
    started_from = encoders.make(data, out, design, args)
    failed = _run(design, data, test, started_from, fitting, out, metric, args)
    _finish(out, design, data.labelled(), test.labels(), metric, failed, args)
    return out


def _try_out(design: Design, data: Data, fitting: FitArgs, awd_lstm: Path | None) -> None:
    """SteepError where checkpoint, data and options do not fit; that is before step 2."""
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.train import engine

    if AWD_LSTM in design.arms:
        from steep.train import awd_weights

        awd_weights.read(awd_lstm)
    assert fitting.model is not None
    encoder_of = fitting.model if fitting.encoder else None
    engine.learner(data, fitting.encoder or fitting.model, fitting, encoder_of)
    for arm in design.recipes:
        try:
            engine.learner(data, fitting.model, design.options(arm, fitting))
        except SteepError as error:
            raise SteepError(f"arm {arm}: {error}") from None


def _run(
    design: Design,
    data: Data,
    test: Corpus,
    started_from: encoders.Encoders,
    fitting: FitArgs,
    out: Path,
    metric: str,
    args: CompareArgs,
) -> dict[str, str]:
    """Run what is not finished yet; returns what went wrong twice, by the name of the cell."""
    failed: dict[str, str] = {}
    left = [cell for cell in design.cells if not cell.path(out).is_file()]
    # The runs of equal compute come last: they have to know how long those of base took.
    for wave in ([c for c in left if c.arm != "longer"], [c for c in left if c.arm == "longer"]):
        jobs = []
        for cell in wave:
            epochs = _epochs(cell, out, design, design.options(cell.arm, fitting).epochs)
            if epochs is None:
                failed[str(cell)] = "the run of base whose time it should take failed"
                continue
            options = replace(design.options(cell.arm, fitting), epochs=epochs)
            jobs.append(Job(cell, started_from.get((cell.arm, cell.seed)), options))
        for job, result in work.run(partial(_cell, data, test), jobs, args.jobs, args.ray):
            if isinstance(result, Exception):
                failed[str(job.cell)] = f"{type(result).__name__}: {result}"
                say(f"{job.cell}: failed twice ({failed[str(job.cell)]}); left out")
            else:
                _keep(job.cell, result, data, test, out, metric)
    return failed


def _cell(data: Data, test: Corpus, job: Job) -> Outcome:
    return run(job.cell, data, test, job.encoder, job.args)


def _keep(cell: Cell, outcome: Outcome, data: Data, test: Corpus, out: Path, metric: str) -> None:
    """Write what a cell found."""
    lines = facts.prediction_lines(test, data.labelled(), outcome.test)
    with runs.explained(out):
        write(cell, out, outcome.facts, lines)
    say(f"{cell}: {metric} {outcome.facts['test'].get(metric, math.nan):.4f}")


def _epochs(cell: Cell, out: Path, design: Design, epochs: int) -> int | None:
    """The passes of a cell: for equal compute, as many as fit into the time of step 2 as well."""
    if cell.arm != "longer":
        return epochs
    base = replace(cell, arm="base").path(out)
    if not base.is_file():
        return None
    return math.ceil(epochs * (1 + _step2(out, design) / runs.read_json(base)["seconds"]))


def _step2(out: Path, design: Design) -> float:
    """Seconds of step 2, the mean where it ran for every seed."""
    folders = [*out.glob(f"{ADAPTED}-seed*"), out / ADAPTED]
    return float(np.mean([runs.read_manifest(f, "adapt")["seconds"] for f in folders]))


def _finish(
    out: Path,
    design: Design,
    task: Task,
    labels: np.ndarray,
    metric: str,
    failed: dict[str, str],
    args: CompareArgs,
) -> None:
    """Verdict and total cost."""
    results = [read(cell, out, task) for cell in design.cells if cell.path(out).is_file()]
    most = design.budgets[-1]  # the answer is theirs, whatever the other budgets say
    for arm in ("base", ADAPTED):
        if not any((cell.arm, cell.labels) == (arm, most) for cell in results):
            reasons = ", ".join(sorted(set(failed.values())))
            few = f" with {most:,} labels" if most else ""
            raise SteepError(f"{out}: every run of the arm {arm}{few} failed: {reasons}.")
    step2 = _step2(out, design)
    found = verdict(task, labels, results, metric, step2, args.smallest_effect, args.seed)
    found["warnings"] += [f"{cell}: the run failed twice ({why})" for cell, why in failed.items()]
    found["warnings"] += _cautions(found, args)
    runs.write_json(out / runs.VERDICT, found)
    spent: dict[str, Any] = {"step2_seconds": step2, "failed": failed}
    spent["seconds"] = round(step2 + sum(cell.seconds for cell in results), 1)
    runs.write_json(out / runs.STUDY, runs.read_json(out / runs.STUDY) | spent)
    say(f"\n{found['paragraph']}")
    for warning in found["warnings"]:
        say(f"Note: {warning}")
    say(f"study: {out}; 'steep report {out}' makes a page of it")


def _cautions(found: dict[str, Any], args: CompareArgs) -> list[str]:
    """What a reader of the verdict should know of the design of the study."""
    own = args.adapt_per_seed and args.encoder is None
    cautions = [ONE_ENCODER] if args.seeds > 1 and not own else []
    if args.encoder is not None and AWD_LSTM in found["arms"]:
        cautions.append(OTHER_TEXT)
    for comparison in found["comparisons"]:
        if comparison["arm"] == "tfidf" and (comparison["low"] or 0) > 0:
            cautions.append(UNDERTRAINED)
    return cautions
