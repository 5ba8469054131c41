"""steep fit: fine-tuning a classifier on labels, the fastai way (step 3)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import FitArgs, TuneArgs
from steep.args.recipe import told
from steep.console import say
from steep.data import budget, weights
from steep.data.corpus import Data
from steep.data.duplicates import corpus_hashes, row_hashes
from steep.data.load import load
from steep.errors import SteepError
from steep.metrics.decisions import check_options
from steep.metrics.scores import check_metric, primary
from steep.metrics.summary import lines
from steep.models.hub import find
from steep.stages import facts, measure, selftraining
from steep.stages.follow import check_tracker, followed, scores

if TYPE_CHECKING:
    from steep.train.callbacks import Callback
    from steep.train.classify import Fitted
    from steep.train.saves import Saves
    from steep.train.tracking import Tracking

SPACE, SAVED = 3, 8  # times the checkpoint's size that a run needs on the disk, and its saves


def fit(
    source: Data | str | Path,
    encoder: str | Path | None = None,
    *,
    out: str | Path,
    args: FitArgs | None = None,
    callbacks: Sequence["Callback"] = (),
) -> Path:
    """Step 3: fine-tune a classifier; returns the folder `out`, a Hugging Face checkpoint.

    It starts from `encoder` (a folder of `steep.adapt`) or `args.model`, or from `args.model` with
    the encoder of the former grafted in. Splits are those of the adaptation, if it had the same
    file. `callbacks` of fastai, or the user's own, run in the training. Raises SteepError for
    whatever is wrong with files, options or checkpoints.
    """
    args = args or FitArgs()
    args = replace(args, encoder=Path(encoder)) if encoder else args
    out = Path(out)
    runs.check_free(out, args.overwrite)
    check_tracker(args.track)
    data = source if isinstance(source, Data) else load(Path(source), args, splits_of(args.encoder))
    check(data, args)
    used, notes, grown = _learnt_from(data, args, out)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.saves import open_saves

    itself = facts.identity(args, data, choose(args), [used.train] if grown else [])
    saves = open_saves(out, args.save_every, itself, args.overwrite)
    with (
        runs.writing(out, "fit", args, args.overwrite) as run,
        saves.told(),
        followed(out, args) as tracking,
    ):
        results, fitted = _run(data, used, notes, args, run, saves, callbacks, tracking)
        if tracking is not None:
            tracking.send(scores(results), results["best_epoch"])
        runs.write_json(run.folder / runs.RESULTS, results | grown)
        runs.write_hashes(run.folder, row_hashes(used.train))
        _save(fitted, run.folder)
        _describe(run, out.resolve().name, results, args.encoder)
    saves.remove()
    _tell(results)
    say(f"model: {out}")
    return out


def _save(fitted: "Fitted", folder: Path) -> None:
    """The checkpoint: weights, what joins windows, and the tokenizer."""
    fitted.learn.model.model.save_pretrained(folder)
    if fitted.learn.model.joined is not None:
        fitted.learn.model.joined.save(folder)
    fitted.learn.dls.train_ds.tokenizer.save_pretrained(folder)


def _tell(results: dict[str, Any]) -> None:
    best = results["test"] or results["valid"]
    say(f"{'test' if results['test'] else 'validation'} ({best['rows']:,} rows):")
    for line in [*lines(best), *measure.gains(results)]:
        say(f"  {line}")


def check(data: Data, args: FitArgs) -> None:
    """Raises SteepError if `data` and `args` make no training."""
    task = data.labelled()
    if not len(data.valid):
        raise SteepError("valid_share 0: fit needs validation rows to choose its epoch by.")
    if args.model is None and args.encoder is None:
        raise SteepError(
            "Name a checkpoint with --model, or a folder of 'steep adapt' by --encoder."
        )
    if args.model is not None:
        find(args.model)
    if args.encoder is not None:
        runs.read_manifest(args.encoder, "adapt") if args.model is None else find(args.encoder)
    if args.metric:
        check_metric(task, args.metric)
    check_options(task, args.threshold, args.calibrate)
    weights.check(task, args)
    selftraining.check(data, args)


def _learnt_from(data: Data, args: FitArgs, out: Path) -> tuple[Data, list[str], dict[str, Any]]:
    """The rows to learn from, what is to be said of them, and what the results say of them."""
    used = budget.chosen(data, args, args.seed)
    notes = budget.notes(data, used, args)
    if not args.self_train:
        return used, [*notes, *budget.few_steps(len(used.train), args)], {}

    def first(options: FitArgs, folder: Path) -> Path:
        return fit(data, out=folder, args=options)

    found = selftraining.self_train(data, used, args, out, first)
    used = replace(used, train=found.train)
    few = budget.few_steps(len(used.train), args)
    return used, [*notes, *found.notes, *few], {"self_training": found.found}


def _describe(run: runs.Run, name: str, results: dict[str, Any], encoder: Path | None) -> None:
    """The model card, for whoever is given the folder."""
    import pandas as pd

    from steep.reports import card
    from steep.reports.folder import RunFolder, read_run

    adapted = encoder is not None and (encoder / runs.MANIFEST).is_file()
    step2 = read_run(encoder) if adapted and encoder is not None else None
    made = RunFolder(name, run.manifest, results, pd.DataFrame(), {})
    card.write(run.folder, made, step2)


def _start(args: FitArgs) -> str | Path:
    start = args.encoder or args.model
    if start is None:
        raise SteepError(
            "Name a checkpoint with --model, or a folder of 'steep adapt' by --encoder."
        )
    return start


def splits_of(encoder: Path | None) -> Path | None:
    """The splits of the adaptation, for a later run on the same file to split alike."""
    path = encoder / runs.SPLITS if encoder is not None else None
    return path if path is not None and path.is_file() else None


def _run(
    data: Data,
    used: Data,
    notes: list[str],
    args: FitArgs,
    run: runs.Run,
    saves: "Saves",
    callbacks: Sequence["Callback"],
    tracking: "Tracking | None",
) -> tuple[dict[str, Any], "Fitted"]:
    """Train on the rows `used` of `data`; writes history and predictions, returns the results."""
    from steep.models.devices import choose
    from steep.train import classify, engine

    start, machine, task = _start(args), choose(args), data.labelled()
    facts.record(run, data, machine, str(find(args.model or start)))
    saves.go_on(run)
    for note in [*told(args), *leaks(data, args), *notes]:
        run.note(note)
    base = args.model if args.encoder else None
    learn = engine.learner(used, start, args, base)
    for note in [*learn.dls.train_ds.notes("training"), *classify.notes(learn, args)]:
        run.note(note)
    run.note(f"computing on {machine}")
    needed = SPACE + SAVED * (args.save_every > 0)
    runs.check_space(run.folder, needed * learn.model.model.num_parameters() * 4)
    fitted = classify.train(learn, used, args, "fitting", saves, callbacks, run.folder, tracking)
    if fitted.diverged:
        saves.remove()
    classify.check_finite(fitted, args)
    classify.in_own_units(fitted)
    runs.write_csv(run.folder / runs.HISTORY, fitted.history)
    return {
        "task": task.described(),
        "metric": args.metric or primary(task),
        "best_epoch": fitted.best_epoch,
        **measure.held_out(fitted, data, args, machine, run),
        "tokens_per_second": fitted.tokens_per_second,
    }, fitted


def leaks(data: Data, args: TuneArgs) -> list[str]:
    """How many validation and test texts the start of this fit was trained on, in words."""
    model = Path(args.model) if args.model is not None else None
    notes = []
    for name, folder in (("step 2", args.encoder), ("the start", model)):
        seen = runs.read_hashes(folder) if folder is not None else np.empty(0, np.uint64)
        for part in ("valid", "test") if len(seen) else ():
            corpus = data.parts.get(part)
            known = int(np.isin(corpus_hashes(corpus), seen).sum()) if corpus is not None else 0
            if corpus is not None and known:
                text = f"{name} saw the text of {known:,} of {len(corpus):,} {part} rows"
                notes.append(f"transductive: {text}")
    return notes
