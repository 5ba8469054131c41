"""steep auto: which steps pay on this table? Takes one after the other, keeps the best model."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steep import outputs, runs
from steep.args import AdaptArgs, FitArgs
from steep.args.chosen import recipe
from steep.args.training import ModelArgs
from steep.console import say
from steep.data.corpus import Data, describe
from steep.data.load import load, read_texts
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.summary import COUNTS
from steep.options import change, identity_of
from steep.places import inputs_of
from steep.run_shapes import FIT_RESULTS
from steep.shelf.auto import AutoArgs
from steep.shelf.auto.choose import FIT, Taken, best_and_kept
from steep.shelf.self_training import SelfTrainArgs
from steep.shelf.self_training.self_train import NoPseudoLabels, student
from steep.stages.adapt import adapt
from steep.stages.fit import (
    already_fitted,
    amend,
    check_fit,
    fitted,
    say_result,
    settled_fit,
    splits_of,
)
from steep.wording import duration

FOLDER = "steps"  # OUT.steps holds the runs of all steps; the best one's model becomes OUT
ENCODER = "adapted"  # the folder of step 2 there
PATIENCE = 2  # steps in a row that gain nothing, after which no further one is taken


@dataclass(frozen=True)
class Work:
    """What the steps are given; they write into `folder`."""

    data: Data
    piles: tuple[Source, ...]
    args: AutoArgs
    folder: Path

    @property
    def fitting(self) -> FitArgs:
        """The options of a fit whose folder is one of Steep's own."""
        return change(self.args.fit, {"overwrite": True})

    @property
    def encoder(self) -> Path:
        return self.folder / ENCODER


@dataclass(frozen=True)
class Step:
    """A way to a model: `take` writes its folder and returns the seconds that it took."""

    name: str
    take: Callable[[Work, Path], float]


def auto(
    source: Source | Data, piles: Source | Sequence[Source], *, out: Path, args: AutoArgs
) -> Path:
    """The best model on the validation rows, of a few steps; returns its folder `out`.

    A frozen encoder, `fit`, step 2 and `fit`, and, where there are `piles` of unlabelled text,
    self-training from the best start so far, cheap ones first; after `PATIENCE` in a row that gain
    nothing no further one is taken. Where these rows cannot tell the best from `fit`, that is kept
    (`choose.py`); test rows have no part in it. The folders of all steps stay in OUT.steps,
    from which a killed run is resumed. Raises SteepError as `fit` does.
    """
    own = tuple(piles) if isinstance(piles, list | tuple) else (piles,)
    overwrite, inputs = args.fit.output.overwrite, inputs_of(args.fit, source, own)
    _check(args)
    with outputs.claimed(out, "folder", overwrite, inputs) as place:
        data = load(source, args.fit.table, args.fit.split, splits_of(args.fit.start))
        check_fit(data, args.fit)
        work = Work(data, own, args, out.with_name(f"{out.name}.{FOLDER}"))
        _say_plan(work)
        taken = list(_take(work))
        best, kept = best_and_kept(taken, data)
        results = _complete(kept, best, out, taken)
        refused = outputs.appear(kept.folder, place, overwrite)
        if refused is not None:
            raise refused
    say_result(out, results)
    return out


def _check(args: AutoArgs) -> None:
    """Raises SteepError for options that make no sense where step 2 is one of the steps."""
    if (args.fit.few.label_budget, args.fit.few.shots) != (None, None):
        raise SteepError("auto takes all labels: leave --label-budget and --shots out.")
    if runs.stage_of(args.fit.start.model) == "adapt":
        raise SteepError(
            f"{args.fit.start.model}: step 2 has run already. Give auto the checkpoint before it, "
            "or take 'steep fit'."
        )


def _say_plan(work: Work) -> None:
    """Say which steps there are, and about how long they take, by a few timed steps."""
    from steep.models.devices import choose
    from steep.train import pace

    data, args = work.data, work.fitting
    tune, model = settled_fit(data, args).tune, str(args.start.model)
    a_pass = pace.of_fit(data, model, choose(args.machine), args.seed.seed, tune)
    one, minutes = tune.epochs.count * a_pass, work.args.pretrain.budget.minutes
    fits, names = 3 if work.piles else 2, [step.name for step in _steps(work)]
    step2 = "step 2" if minutes is None else f"{minutes:g} minutes of step 2"
    whole = fits * one + 60 * (minutes or 0.0)
    say(f"{', '.join(names)}: {fits} fits of {duration(one)}, and {step2}: {duration(whole)} or so")


def _steps(work: Work) -> list[Step]:
    """The cheapest first."""
    steps = [
        Step("frozen encoder", _frozen),
        Step(FIT, _fit),
        Step("step 2 and fit", _adapt_and_fit),
    ]
    return steps + ([Step("self-training", _self_train)] if work.piles else [])


def _take(work: Work) -> Iterator[Taken]:
    """The steps one by one, until `PATIENCE` of them in a row have gained nothing."""
    best, idle = -math.inf, 0
    for number, step in enumerate(_steps(work)):
        if idle == PATIENCE:
            say(f"{step.name}: not tried, as the {PATIENCE} steps before gained nothing")
            return
        say(f"{step.name}:")
        folder = work.folder / f"{number}"
        try:
            seconds = step.take(work, folder)
        except NoPseudoLabels as error:  # of the last step: the others stand
            say(f"{step.name}: {error}")
            return
        taken = Taken(step.name, folder, seconds, _results(folder))
        best, idle = (taken.worth, 0) if taken.worth > best else (best, idle + 1)
        yield taken


def _results(folder: Path) -> dict[str, Any]:
    return runs.read_shaped(folder / runs.RESULTS, FIT_RESULTS)


def _frozen(work: Work, folder: Path) -> float:
    return _fitted(work, folder, change(work.fitting, recipe("features")))


def _fit(work: Work, folder: Path) -> float:
    return _fitted(work, folder, work.fitting)


def _adapt_and_fit(work: Work, folder: Path) -> float:
    args = _step2(work)
    if _is_adapted(work, args):
        say(f"step 2: {work.encoder}, as it is")
    else:
        adapt(work.data, out=work.encoder, args=args, unlabelled=work.piles)
    return _seconds(work.encoder, "adapt") + _fitted(work, folder, _from_encoder(work))


def _self_train(work: Work, folder: Path) -> float:
    """A student of the better of the two fits before, from the same start."""
    plain, adapted = (Taken("", work.folder / n, 0.0, _results(work.folder / n)) for n in "12")
    teacher, args = plain, work.fitting
    if adapted.worth > plain.worth:
        teacher, args = adapted, _from_encoder(work)
    student(work.data, work.piles, teacher.folder, out=folder, args=SelfTrainArgs(fit=args))
    return _seconds(folder, "fit")


def _fitted(work: Work, folder: Path, args: FitArgs) -> float:
    """Fit into `folder`, unless a killed run did; returns the seconds."""
    if already_fitted(folder, work.data, args):
        say(f"{folder}, as it is")
    else:
        fitted(work.data, out=folder, args=args)
    return _seconds(folder, "fit")


def _seconds(folder: Path, stage: str) -> float:
    return float(runs.read_manifest(folder, stage)["seconds"])


def _from_encoder(work: Work) -> FitArgs:
    return replace(work.fitting, start=ModelArgs(model=str(work.encoder)))


def _step2(work: Work) -> AdaptArgs:
    """Step 2 of the same table."""
    fitting = work.fitting
    return AdaptArgs(
        table=fitting.table,
        split=fitting.split,
        start=fitting.start,
        pretrain=work.args.pretrain,
        seed=fitting.seed,
        machine=fitting.machine,
        saving=fitting.saving,
        output=fitting.output,
    )


def _is_adapted(work: Work, args: AdaptArgs) -> bool:
    """Whether a killed run finished this step 2, of the same table and piles."""
    if runs.stage_of(work.encoder) != "adapt":
        return False
    made, found = runs.read_step2(work.encoder)
    mine = identity_of(args)
    theirs = {name: made["args"].get(name) for name in mine}
    read = [read_texts([pile], args.table.columns) for pile in work.piles]
    piles = [(one["name"], one["documents"] + one["left_out"]) for one in found["sources"][1:]]
    same_text = piles == [(corpus.source, len(corpus)) for corpus in read]
    return same_text and mine == theirs and made.get("data") == describe(work.data)


def _complete(kept: Taken, best: Taken, out: Path, taken: list[Taken]) -> dict[str, Any]:
    """Add what each step took and found to the results, notes and card of the model kept."""
    results, metric = kept.results, kept.results["metric"]
    # Those of a student have read its pseudo-labels, too.
    counts = taken[0].results["valid"]["compared"]["baselines"].get(COUNTS, {}).get("value")
    results["auto"] = {
        "metric": metric,
        "kept": kept.name,
        "best": best.name,
        "word_counts": counts,
        "steps": [{"name": one.name, "seconds": one.seconds, "valid": one.score} for one in taken],
    }
    manifest = runs.read_manifest(kept.folder, "fit")
    rows = results["valid"]["rows"]
    shown = [f"word counts {_shown(counts)}"]
    shown += [f"{one.name} {_shown(one.score)} ({duration(one.seconds)})" for one in taken]
    note = f"{metric} on {rows:,} validation rows: {', '.join(shown)}; kept: {kept.name}"
    if kept is not best:
        note += f", from which these rows cannot tell {best.name}"
    manifest["notes"] = [*manifest["notes"], note]
    say(note)
    encoder = ModelArgs(model=manifest["args"]["model"])  # that of step 2, where it has one
    amend(kept.folder, out.resolve().name, manifest, results, encoder)
    return results


def _shown(score: float | None) -> str:
    return "undefined" if score is None else f"{score:.3f}"
