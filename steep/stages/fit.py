"""steep fit: fine-tuning a classifier on labels, the fastai way (step 3)."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import outputs, runs
from steep.args import FitArgs
from steep.args.chosen import told
from steep.args.training import BaseArgs, DecisionArgs, FewArgs, ModelArgs
from steep.console import say, say_next
from steep.data.batches import check_loss
from steep.data.corpus import Data, describe, record_data
from steep.data.duplicates import corpus_hashes, row_hashes
from steep.data.load import load
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.scores import check_metric, primary
from steep.models.checkpoint_files import check_checkpoint, read_checkpoint
from steep.models.fit_defaults import few_steps, settled_for
from steep.models.fit_defaults import told as told_defaults
from steep.models.hub import CONFIG, find, no_checkpoint
from steep.openings import NOTHING, Openings
from steep.options import identity_of
from steep.places import find_place, inputs_of
from steep.stages.held_out import held_out, predicted, result_lines, scores_by_part

if TYPE_CHECKING:
    from fastai.learner import Learner

    from steep.train.classify import Fitted
    from steep.train.session import Session


def fit(source: Source | Data, *, out: Path, args: FitArgs, openings: Openings = NOTHING) -> Path:
    """Step 3: fine-tune a classifier; returns the folder `out`, a Hugging Face checkpoint.

    Where the model is a folder of `steep adapt`, its splits are used if it had the same file.
    Raises SteepError for whatever is wrong with files, options or checkpoints.
    """
    say_result(out, fitted(source, out=out, args=args, openings=openings))
    return out


def fitted(
    source: Source | Data, *, out: Path, args: FitArgs, openings: Openings = NOTHING
) -> dict[str, Any]:
    """What `fit` does before it says what it found: writes the folder, returns its results."""
    find_place(out, "folder", args.output.overwrite, inputs_of(args, source))
    data = load(source, args.table, args.split, splits_of(args.start))
    check_fit(data, args)
    used = used_rows(data, args)
    asked, args = args, settled_fit(used, args)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.session import session

    machine, corpora = choose(args.machine), data.parts
    with session("fit", out, args, corpora, machine, openings) as opened:
        run = opened.run
        for note in chosen_options(asked, args, used):
            run.note(note)
        results, model = _train(data, used, args, opened)
        for follower in openings.followers:
            follower.line(scores_by_part(results), results["best_epoch"])
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_hashes(run.folder, row_hashes(used.train))
        model.save(run.folder)
        describe_model(run.folder, out.resolve().name, run.manifest, results, args.start)
    return results


def say_result(out: Path, results: dict[str, Any]) -> None:
    """Say what a fit found, where it is, and what to do next."""
    for line in result_lines(results):
        say(line)
    say(f"model: {out}")
    use = ["steep", "predict", str(out), "NEW.csv", "--out", "predictions.csv"]
    say_next(shlex.join(use))


def already_fitted(folder: Path, data: Data, args: FitArgs) -> bool:
    """Whether `folder` is a finished fit of this data, by the same options."""
    if not folder.is_dir():
        return False
    used = used_rows(data, args)
    made, mine = runs.read_manifest(folder, "fit"), identity_of(settled_fit(used, args))
    theirs = {name: made["args"].get(name) for name in mine}
    return (mine, describe(data)) == (theirs, made.get("data"))


def learner(source: Source | Data, args: FitArgs) -> "Learner":
    """A plain fastai `Learner` on the rows that `fit` would train on, not trained yet."""
    data = load(source, args.table, args.split, splits_of(args.start))
    check_fit(data, args)
    used = used_rows(data, args)
    asked, args = args, settled_fit(used, args)
    for note in chosen_options(asked, args, used):
        say(note)
    learn = started(used, args)
    learn.dls.origin = data, used, args  # for steep.save
    say_start(learn)
    return learn


def used_rows(data: Data, args: FitArgs) -> Data:
    """`data` with the training rows that are used: all, unless fewer were asked for."""
    if args.few == FewArgs():
        return data
    from steep.data import budget

    return budget.chosen(data, args.few, args.seed.seed)


def settled_fit(used: Data, args: FitArgs) -> FitArgs:
    """`args` with a value for every option of the training, by the rows that are `used`."""
    start = args.base.base or args.start.model
    assert start is not None
    return replace(args, tune=settled_for(args.tune, used, start))


def chosen_options(asked: FitArgs, args: FitArgs, used: Data) -> list[str]:
    """What was chosen for the user, in a line."""
    start = str(args.base.base or args.start.model)
    return told_defaults(asked.tune, args.tune, len(used.train), used.labelled(), start)


def make_learner(used: Data, args: FitArgs) -> "Learner":
    """The `Learner` of a fit; SteepError where the checkpoint does not suit data or options."""
    from steep.models.devices import choose
    from steep.train import classify

    assert args.start.model is not None
    start, base = args.start.model, args.base.base
    return classify.learner(used, start, args.tune, choose(args.machine), args.seed.seed, base)


def started(used: Data, args: FitArgs) -> "Learner":
    """The `Learner` of a fit as its training begins; SteepError as in `make_learner`."""
    from steep.train import classify

    learn = make_learner(used, args)
    classify.begin(learn, used, args.tune)
    return learn


def say_start(learn: "Learner") -> None:
    """Say what the user should know of the checkpoint that `learn` starts from."""
    from steep.train import classify

    for note in classify.start_notes(learn):
        say(note)


def check_fit(data: Data, args: FitArgs) -> None:
    """Raises SteepError if `data` and `args` make no training."""
    task = data.labelled()
    if not len(data.valid):
        raise SteepError("valid_share 0: fit needs validation rows to measure each epoch on.")
    if args.start.model is None:
        raise no_checkpoint()
    check_checkpoint(args.start.model)
    if adapted(args.start):
        runs.read_step2(Path(args.start.model))  # for the model card, which comes last
    if args.base.base is not None:
        read_checkpoint(args.base.base)
    if args.metric.metric:
        check_metric(task, args.metric.metric)
    if args.decisions != DecisionArgs():
        from steep.metrics.decisions import check_options

        check_options(task, args.decisions.threshold, args.decisions.calibrate)
    check_loss(task, args.tune.loss)


def splits_of(start: ModelArgs) -> Path | None:
    """The splits of the model, where it is a run's: a later run on the same file splits alike."""
    path = Path(start.model) / runs.SPLITS if start.model is not None else None
    return path if path is not None and adapted(start) and path.is_file() else None


def adapted(start: ModelArgs) -> bool:
    """Whether the model is a folder of `steep adapt`."""
    return runs.stage_of(start.model) == "adapt"


def leaks(data: Data, start: ModelArgs, base: BaseArgs) -> list[str]:
    """How many validation and test texts the start of a fit was trained on, in words."""
    name = "step 2" if adapted(start) else "the start"
    notes = []
    for what, folder in ((name, start.model), ("the base", base.base)):
        seen = runs.read_hashes(Path(folder)) if folder is not None else np.empty(0, np.uint64)
        for part in ("valid", "test") if len(seen) else ():
            corpus = data.parts.get(part)
            known = int(np.isin(corpus_hashes(corpus), seen).sum()) if corpus is not None else 0
            if corpus is not None and known:
                text = f"{what} saw the text of {known:,} of {len(corpus):,} {part} rows"
                notes.append(f"transductive: {text}")
    return notes


def _train(
    data: Data, used: Data, args: FitArgs, opened: "Session"
) -> tuple[dict[str, Any], "Fitted"]:
    """Train on the rows `used` of `data`; writes history and predictions, returns the results."""
    from steep.train import classify
    from steep.train.session import Hooks

    run, task = opened.run, data.labelled()
    record_data(run, data, str(find(args.base.base or str(args.start.model))))
    learn = make_learner(used, args)
    for note in [
        *told(args.recipe, args.tune),
        *leaks(data, args.start, args.base),
        *_label_notes(data, used, args),
        *classify.start_notes(learn),
        *learn.dls.train_ds.notes("training"),
        *classify.notes(learn, args.tune),
        f"computing on {opened.machine}",
    ]:
        run.note(note)
    opened.check_space(learn.model.model.num_parameters())
    hooks = Hooks("fitting", opened.saves, opened.openings.callbacks, opened.openings.followers)
    with opened.together():
        fitted = classify.train(learn, used, args.tune, args.metric.metric, args.seed.seed, hooks)
        if fitted.diverged:
            opened.saves.remove()
        classify.check_finite(fitted, args.tune)
        classify.in_own_units(fitted)
        raw = predicted(fitted, data, args)
    runs.write_csv(run.folder / runs.HISTORY, fitted.history)
    return {
        "task": task.described(),
        "metric": args.metric.metric or primary(task),
        "best_epoch": fitted.best_epoch,
        **held_out(raw, data, used, args, run),
        "lengths": learn.dls.train_ds.spread(),
        "tokens_per_second": fitted.tokens_per_second,
    }, fitted


def _label_notes(data: Data, used: Data, args: FitArgs) -> list[str]:
    """What the user should know where only some labels are used, or few."""
    found = few_steps(len(used.train), args.tune.epochs.count, args.tune.batch.size)
    if used is data:
        return found
    from steep.data import budget

    return [*budget.notes(data, used, args.few), *found]


def amend(
    folder: Path,
    name: str,
    manifest: dict[str, Any],
    results: dict[str, Any],
    start: ModelArgs,
) -> None:
    """Replace manifest, results and card of the finished fit `folder`: all of them, or none."""
    with outputs.adding(folder) as aside:
        runs.write_json(aside / runs.RESULTS, results)
        runs.write_json(aside / runs.MANIFEST, manifest)
        shutil.copyfile(folder / CONFIG, aside / CONFIG)  # which the card reads
        describe_model(aside, name, manifest, results, start)


def describe_model(
    folder: Path,
    name: str,
    manifest: dict[str, Any],
    results: dict[str, Any],
    start: ModelArgs,
) -> None:
    """The model card, for whoever is given the folder."""
    from steep.models.model_card import write_card

    step2 = Path(str(start.model)) if adapted(start) else None
    write_card(folder, name, manifest, results, step2)
