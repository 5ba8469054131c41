"""steep summarize compare: was step 2 worth it, for summaries? Base and adapted, by seed.

Beside them lead and TextRank, whose length is chosen on the validation documents, too. What is
compared is ROUGE, the mean of R-1, R-2 and R-Lsum in points; the statistics are those of `steep
compare` (`steep.study.paired`), with documents for rows.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from steep import outputs, runs
from steep.args import AdaptArgs, SeedArgs
from steep.args.table import TableArgs
from steep.args.training import BaseArgs, ModelArgs
from steep.console import say
from steep.data.corpus import Data, describe
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.weighted import Draws, Support
from steep.options import identity_of as options_of
from steep.places import find_place, inputs_of
from steep.seeds import numbers
from steep.shelf.summarize import SummaryCompareArgs
from steep.shelf.summarize import measure as ways
from steep.shelf.summarize.choose import best_rule, rules_of
from steep.shelf.summarize.documents import split_documents
from steep.shelf.summarize.labels import Labelled
from steep.shelf.summarize.measure import LEAD, TEXTRANK
from steep.shelf.summarize.summarise import identity_of, settled_fit
from steep.stages.fit import leaks
from steep.study.arms import ADAPTED, BASE
from steep.study.design import Cell, Start, start_of
from steep.study.paired import CONFIDENCE, POWER, holm, paired_gain
from steep.study.verdict import answer_of

if TYPE_CHECKING:
    from steep.models.devices import Machine
    from steep.shelf.summarize.training import Prepared

PAIRS = ((ADAPTED, BASE), (ADAPTED, LEAD), (BASE, LEAD), (BASE, TEXTRANK))
ONE_ENCODER = (
    "Step 2 ran once: all seeds share one adapted encoder, and the answer is about that one."
)
Scores = dict[str, np.ndarray]
"""Points of each document by arm: (documents, seeds)."""


def compare(source: Source, *, out: Path, args: SummaryCompareArgs) -> Path:
    """Run a study of base against adapted; returns the folder `out` with its verdict.json.

    What the test documents can tell is said first. Finished runs are kept: the same call resumes a
    study that was stopped. Raises SteepError for whatever is wrong.
    """
    overwrite, inputs = args.output.overwrite, inputs_of(args, source)
    find_place(out, "study", overwrite, inputs)
    rules_of(args.training.size)
    start = start_of(args.start.model, None)
    args = settled_fit(args)
    data = split_documents(source, args.documents, args.reference, args.split, start.splits)
    if data.test is None:
        raise SteepError("test_share 0 leaves no test documents: a study needs them.")
    for note in (*data.notes, *leaks(data, args.start, BaseArgs())):
        say(note)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.shelf.summarize.training import prepare

    machine, ready = choose(args.machine), prepare(data, args.training.rouge, say)
    scores = _untrained(ready, args)
    say(planned(scores))
    if args.study.dry_run:
        return out
    with outputs.claimed(out, "study", overwrite, inputs):
        _begin(out, args, data, machine)
        scores |= _trained(out, args, data, start, ready, machine)
        found = verdict(scores, args)
        runs.write_json(out / runs.VERDICT, found)
    for line in (found["sentence"], *found["lines"], *found["warnings"]):
        say(line)
    say(f"study: {out}")
    return out


def _seeds(args: SummaryCompareArgs) -> range:
    return range(args.seed.seed, args.seed.seed + args.seeds.seeds)


def _trained(
    out: Path,
    args: SummaryCompareArgs,
    data: Data,
    start: Start,
    ready: "Prepared",
    machine: "Machine",
) -> Scores:
    """What the summarisers of base and of adapted are worth, trained where they are not kept."""
    step2 = start.given or _adapted(out, args, start.base, data)
    encoders, silent = {BASE: start.base, ADAPTED: str(step2)}, replace(ready, note=lambda _: None)
    for seed in _seeds(args):
        for arm, encoder in encoders.items():
            _run(out, Cell(arm, seed), encoder, silent, args, machine)
    cells = {arm: [Cell(arm, seed).path(out) for seed in _seeds(args)] for arm in encoders}
    return {
        arm: np.array([runs.read_json(path)["points"] for path in paths]).T
        for arm, paths in cells.items()
    }


def _begin(out: Path, args: SummaryCompareArgs, data: Data, machine: "Machine") -> None:
    """Write study.json; SteepError where `out` holds a study with other options or data."""
    from steep.train.session import identity

    known = json.loads(json.dumps(identity(options_of(args), identity_of(data), machine)))
    path = out / runs.STUDY
    if path.is_file():
        there = runs.read_json(path).get("contents")
        if there == known:
            say(f"{out}: resuming the study that is there")
            return
        if not args.output.overwrite:
            raise SteepError(
                f"{out} holds a study with other options, data or versions. Repeat its options to "
                "resume it, choose another --out, or add --overwrite."
            )
        from steep.places import remove_own

        remove_own(out)
    (out / runs.CELLS).mkdir(parents=True, exist_ok=True)
    record = runs.manifest("summarize compare", args) | {"data": describe(data), "contents": known}
    runs.write_json(path, record)


def _adapted(out: Path, args: SummaryCompareArgs, base: str, data: Data) -> Path:
    """The folder of step 2, which runs on the text of the training documents, and further files."""
    from steep.stages.adapt import adapt

    folder = out / ADAPTED
    if not (folder / runs.MANIFEST).is_file():
        options = AdaptArgs(
            table=TableArgs(),
            split=args.split,
            start=ModelArgs(model=base),
            pretrain=args.adapt,
            seed=SeedArgs(seed=args.seed.seed),
            machine=args.machine,
            saving=args.saving,
        )
        adapt(data, out=folder, args=options, unlabelled=args.study.unlabelled)
    return folder


def _run(
    out: Path,
    cell: Cell,
    encoder: str,
    ready: "Prepared",
    args: SummaryCompareArgs,
    machine: "Machine",
) -> None:
    """Train a summariser and keep what its test summaries are worth, unless that is kept."""
    from steep.shelf.summarize.training import train

    if cell.path(out).is_file():
        return
    started = time.monotonic()
    made = train(ready, encoder, args.training, cell.seed, machine)
    rule, cases = made.summariser.rule, ready.test
    rouge = ways.score_picks(cases, ways.model_picks(cases, rule, made.scores(cases)))
    facts = {
        "arm": cell.arm,
        "seed": cell.seed,
        "seconds": round(time.monotonic() - started, 1),
        "rule": rule.described(),
        "epoch": made.best_epoch,
        "rouge": dict(zip(ways.NAMES, rouge.mean(0).tolist(), strict=True)),
        "points": ways.headline(rouge).tolist(),
    }
    runs.write_json(cell.path(out), facts)
    say(f"{cell}: ROUGE {np.mean(facts['points']):.2f}, summaries of {rule}")


def _untrained(ready: "Prepared", args: SummaryCompareArgs) -> Scores:
    """What lead and TextRank are worth, each with the length that suits it on validation."""
    found: Scores = {}
    of_arm = {LEAD: lambda words: -np.arange(len(words), dtype=float), TEXTRANK: ways.textrank}
    for arm, rank in of_arm.items():
        valid, test = ([rank(case.words) for case in part] for part in (ready.valid, ready.test))
        referees = [case.referee for case in ready.valid]
        rule, _ = best_rule(rules_of(args.training.size), valid, referees)
        found[arm] = _points(ready.test, ways.model_picks(ready.test, rule, test))
        say(f"{arm}: ROUGE {found[arm].mean():.2f} on the test documents, summaries of {rule}")
    return found


def _points(cases: list[Labelled], picks: list[list[int]]) -> np.ndarray:
    return ways.headline(ways.score_picks(cases, picks))[:, None]


def planned(scores: Mapping[str, np.ndarray]) -> str:
    """What so many test documents can find, before anything is trained.

    The noise is that of lead against TextRank, which are unlike; a difference of two summarisers
    that choose alike varies less from document to document.
    """
    apart = (scores[LEAD] - scores[TEXTRANK])[:, 0]
    count, deviation = len(apart), float(apart.std(ddof=1)) if len(apart) > 1 else float("nan")
    far = stats.norm.ppf([0.5 + CONFIDENCE / 2, POWER]).sum()
    return (
        f"{count:,} test documents find differences of {far * deviation / count**0.5:.1f} points "
        f"of ROUGE and more in 8 of 10 studies, if two ways differ from document to document as "
        f"lead and TextRank do here (sd {deviation:.1f} points); less, if they choose alike. Most "
        "published gains are below 1 point."
    )


def verdict(scores: Scores, args: SummaryCompareArgs) -> dict[str, Any]:
    """Every comparison with its uncertainty, and the answer, as plain JSON."""
    smallest, count = args.study.smallest_effect, len(scores[LEAD])
    draws = Draws(args.intervals.resamples, args.seed.seed)
    weights = np.concatenate(list(draws.weights(count)))
    comparisons: list[dict[str, Any]] = []
    for arm, against in PAIRS:
        apart = scores[arm] - scores[against]  # (documents, seeds)
        drawn = weights @ apart / weights.sum(1, keepdims=True)
        stream = numbers(args.seed.seed, "bootstrap", "seeds")
        gain = paired_gain(apart.mean(0), drawn, Support.of_rows(count), smallest, stream)
        comparisons.append({"arm": arm, "against": against, "main": against == BASE} | gain)
    others = [comparison for comparison in comparisons if not comparison["main"]]
    for one, p in zip(others, holm([c["p_value"] for c in others]), strict=True):
        one["p_holm"] = p
    answer = answer_of(comparisons[0], smallest)
    arms = {arm: {"values": own.mean(0).tolist()} for arm, own in scores.items()}
    return {
        "answer": answer,
        "sentence": f"{answer.capitalize()}: step 2 changed ROUGE by {_gain(comparisons[0])}.",
        "lines": [f"{c['arm']} against {c['against']}: {_gain(c)}" for c in comparisons[1:]],
        "metric": "rouge",
        "smallest_effect": smallest,
        "documents": count,
        "seeds": list(_seeds(args)),
        "arms": arms,
        "comparisons": comparisons,
        "warnings": [ONE_ENCODER] if args.seeds.seeds > 1 else [],
    }


def _gain(comparison: Mapping[str, Any]) -> str:
    """A gain in points with its interval, where one can be computed."""
    seeds = len(comparison["differences"])
    if comparison["low"] is None:
        return f"{comparison['gain']:+.2f} points (no interval: {seeds} seed; run 5)"
    found = f"{comparison['gain']:+.2f} points (95 % interval {comparison['low']:+.2f} to "
    found += f"{comparison['high']:+.2f}, {seeds} seeds"
    if comparison["minimum_detectable"] is not None and comparison["main"]:
        found += f"; {comparison['minimum_detectable']:.2f} or more would be found in 8 of 10"
    return found + ")"
