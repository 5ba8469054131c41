"""steep fit --tune: which of three learning rates is best on the validation rows?"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steep import outputs, runs
from steep.args import FitArgs
from steep.console import say
from steep.data.corpus import Data
from steep.data.load import load
from steep.data.readers import Source
from steep.metrics.scores import higher_is_better
from steep.openings import Openings
from steep.options import change
from steep.places import inputs_of, remove_own
from steep.run_shapes import FIT_RESULTS
from steep.stages.fit import (
    already_fitted,
    amend,
    check_fit,
    fitted,
    say_result,
    settled_fit,
    splits_of,
    used_rows,
)
from steep.wording import duration

FACTORS = (1, 1 / 3, 2)  # of the rate that fit would take; of equal ones the first is kept
FOLDER = "tuning"  # OUT.tuning holds the trials until one is chosen


@dataclass(frozen=True)
class Trial:
    """One fit of the search: its folder, its rate, and its validation score (None: undefined)."""

    folder: Path
    rate: float
    score: float | None


def fit_tuned(source: Source | Data, *, out: Path, args: FitArgs, openings: Openings) -> Path:
    """The best of three fits that differ in their learning rate; returns its folder `out`.

    A killed search is resumed: finished trials stay in OUT.tuning until one is chosen. Test rows
    have no part in the choice. Raises SteepError as `fit` does.
    """
    inputs = inputs_of(args, source)
    with outputs.claimed(out, "folder", args.output.overwrite, inputs) as place:
        data = load(source, args.table, args.split, splits_of(args.start))
        check_fit(data, args)
        trials = _trials(data, out.with_name(f"{out.name}.{FOLDER}"), args, openings)
        best, results = _best(trials)
        _complete(best, out, results, trials, args)
        refused = outputs.appear(best.folder, place, args.output.overwrite)
        for trial in trials:
            if trial.folder.is_dir():
                remove_own(trial.folder)
        with suppress(OSError):  # trials of other options, that were killed, stay
            trials[0].folder.parent.rmdir()
        if refused is not None:
            raise refused
    say_result(out, results)
    return out


def _trials(data: Data, folder: Path, args: FitArgs, openings: Openings) -> list[Trial]:
    """Fit once for each rate, or take what a killed search has finished."""
    used = used_rows(data, args)
    tune = settled_fit(used, args).tune
    rates = [float(f"{factor * tune.optimiser.rate:.2g}") for factor in FACTORS]
    say(f"{len(rates)} fits: {duration(len(rates) * _seconds(used, args))} or so")
    trials = []
    for rate in rates:
        place = folder / f"rate-{rate:g}"
        chosen = replace(args, tune=change(args.tune, {"learning_rate": rate}))
        if already_fitted(place, data, chosen):
            say(f"learning rate {rate:g}: {place}, as it is")
        else:
            say(f"learning rate {rate:g}:")
            fitted(data, out=place, args=chosen, openings=openings)
        trials.append(Trial(place, rate, _score(_results(place))))
    return trials


def _seconds(used: Data, args: FitArgs) -> float:
    """About how long one fit trains, by a few timed steps."""
    from steep.models.devices import choose
    from steep.train import pace

    tune = settled_fit(used, args).tune
    machine, model = choose(args.machine), str(args.start.model)
    return tune.epochs.count * pace.of_fit(used, model, machine, args.seed.seed, tune)


def _results(folder: Path) -> dict[str, Any]:
    return runs.read_shaped(folder / runs.RESULTS, FIT_RESULTS)


def _score(results: Mapping[str, Any]) -> float | None:
    found = results["valid"]["metrics"].get(results["metric"])
    return None if found is None else found["value"]


def _best(trials: list[Trial]) -> tuple[Trial, dict[str, Any]]:
    """The trial that is best on the validation rows, the first of equal ones; its results."""
    metric = _results(trials[0].folder)["metric"]
    sign = 1 if higher_is_better(metric) else -1
    known = [trial for trial in trials if trial.score is not None]
    best = max(known, key=lambda trial: sign * (trial.score or 0.0), default=trials[0])
    return best, _results(best.folder)


def _complete(
    best: Trial, out: Path, results: dict[str, Any], trials: list[Trial], args: FitArgs
) -> None:
    """Add what was tried to the results, the notes and the card of the chosen fit."""
    tried = {f"{trial.rate:g}": trial.score for trial in trials}
    results["tuning"] = {"learning_rate": best.rate, "valid": tried}
    shown = ", ".join(
        f"{rate}: {'undefined' if score is None else f'{score:.3f}'}"
        for rate, score in tried.items()
    )
    note = f"learning rate {best.rate:g} was chosen by {results['metric']} on validation ({shown})"
    manifest = runs.read_manifest(best.folder, "fit")
    manifest["notes"] = [*manifest["notes"], note]
    say(note)
    amend(best.folder, out.resolve().name, manifest, results, args.start)
