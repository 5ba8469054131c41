"""steep summarize compare: was step 2 worth it, for summaries? Base and adapted, by seed.

Beside them lead and TextRank, whose length is chosen on the validation documents, too. What is
compared is ROUGE, the mean of R-1, R-2 and R-Lsum in points; the statistics are those of `steep
compare` (`steep.study.paired`), with documents for rows, and so are the files and the report.
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
from steep.data.corpus import Data, Task, describe
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.weighted import Draws, Support
from steep.options import identity_of as options_of
from steep.places import find_place, inputs_of, remove_own
from steep.seeds import numbers
from steep.shelf.summarize import SummaryCompareArgs
from steep.shelf.summarize import measure as ways
from steep.shelf.summarize.choose import Rule, best_rule, rules_of
from steep.shelf.summarize.documents import split_documents
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
TASK = Task("regression", ("rouge",))  # a number for each document, as the report's blocks know it
ONE_ENCODER = (
    "Step 2 ran once: all seeds share one adapted encoder, and the answer is about that one."
)
Facts = dict[str, Any]


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
    notes = [*data.notes, *leaks(data, args.start, BaseArgs())]
    for note in notes:
        say(note)
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.shelf.summarize.training import prepare

    machine, ready = choose(args.machine), prepare(data, say)
    cells = {Cell(arm, args.seed.seed): _untrained(arm, ready, args) for arm in (LEAD, TEXTRANK)}
    say(planned(*(np.array(facts["points"]) for facts in cells.values())))
    if args.study.dry_run:
        return out
    with outputs.claimed(out, "study", overwrite, inputs):
        _begin(out, args, data, machine, notes)
        for cell, facts in cells.items():
            _keep(out, cell, facts)
        _train(out, args, data, start, ready, machine)
        found = verdict(_scores(out, args), args)
        runs.write_json(out / runs.VERDICT, found)
    for line in (found["sentence"], *found["lines"], *found["warnings"], f"study: {out}"):
        say(line)
    return out


def _seeds(args: SummaryCompareArgs) -> list[int]:
    return [*range(args.seed.seed, args.seed.seed + args.seeds.seeds)]


def _begin(
    out: Path, args: SummaryCompareArgs, data: Data, machine: "Machine", notes: list[str]
) -> None:
    """Write study.json; SteepError where `out` holds a study with other options or data."""
    from steep.train.session import identity

    known = json.loads(json.dumps(identity(options_of(args), identity_of(data), machine)))
    path = out / runs.STUDY
    if path.is_file():
        if runs.read_json(path).get("contents") == known:
            say(f"{out}: resuming the study that is there")
            return
        if not args.output.overwrite:
            raise SteepError(
                f"{out} holds a study with other options, data or versions. Repeat its options to "
                "resume it, choose another --out, or add --overwrite."
            )
        remove_own(out)
    (out / runs.CELLS).mkdir(parents=True, exist_ok=True)
    about = {"data": describe(data), "contents": known, "base": args.start.model, "notes": notes}
    about |= {"arms": [BASE, ADAPTED, LEAD, TEXTRANK], "seeds": _seeds(args)}
    about |= {"metric": "rouge", "task": TASK.described(), "device": str(machine.device)}
    runs.write_json(path, runs.manifest("summarize compare", args) | about)


def _train(
    out: Path,
    args: SummaryCompareArgs,
    data: Data,
    start: Start,
    ready: "Prepared",
    machine: "Machine",
) -> None:
    """Train the summarisers of base and of adapted that are not kept, and keep their worth."""
    from steep.shelf.summarize.training import train

    step2 = start.given or _adapted(out, args, start.base, data)
    silent = replace(ready, note=lambda _: None)
    for seed in _seeds(args):
        for arm, encoder in {BASE: start.base, ADAPTED: str(step2)}.items():
            cell, started = Cell(arm, seed), time.monotonic()
            if cell.path(out).is_file():
                continue
            made = train(silent, encoder, args.training, seed, machine)
            facts = _worth(ready, made.summariser.rule, made.scores(ready.test))
            facts |= {"seconds": round(time.monotonic() - started, 1), "history": made.history}
            _keep(out, cell, facts)
            say(f"{cell}: ROUGE {facts['test']['rouge']:.2f}, summaries of {made.summariser.rule}")


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


def _untrained(arm: str, ready: "Prepared", args: SummaryCompareArgs) -> Facts:
    """What lead or TextRank is worth, with the length that suits it on validation."""
    rank = {LEAD: ways.lead, TEXTRANK: ways.textrank}[arm]
    valid, test = ([rank(case.words) for case in part] for part in (ready.valid, ready.test))
    rule, _ = best_rule(rules_of(args.training.size), valid, ready.valid)
    facts = _worth(ready, rule, test)
    say(f"{arm}: ROUGE {facts['test']['rouge']:.2f} on the test documents, summaries of {rule}")
    return facts


def _worth(ready: "Prepared", rule: Rule, scores: list[np.ndarray]) -> Facts:
    """The facts of a cell: ROUGE of the test documents' summaries, and the points of each."""
    rouge = ways.score_picks(ready.test, ways.model_picks(ready.test, rule, scores))
    points = ways.headline(rouge)
    means = dict(zip(ways.NAMES, rouge.mean(0).tolist(), strict=True))
    test = {"rouge": float(points.mean())} | means
    return {"rule": rule.described(), "test": test, "points": points.tolist()}


def _keep(out: Path, cell: Cell, facts: Facts) -> None:
    runs.write_json(cell.path(out), {"arm": cell.arm, "seed": cell.seed} | facts)


def _scores(out: Path, args: SummaryCompareArgs) -> dict[str, np.ndarray]:
    """Points of each document by arm, (documents, seeds)."""
    seeds = {BASE: _seeds(args), ADAPTED: _seeds(args), LEAD: _seeds(args)[:1]}
    seeds[TEXTRANK] = seeds[LEAD]
    return {
        arm: np.array([runs.read_json(Cell(arm, seed).path(out))["points"] for seed in own]).T
        for arm, own in seeds.items()
    }


def planned(lead: np.ndarray, textrank: np.ndarray) -> str:
    """What so many test documents can find, before anything is trained.

    The noise is that of lead against TextRank, which are unlike; a difference of two summarisers
    that choose alike varies less from document to document.
    """
    apart, count = lead - textrank, len(lead)
    deviation = float(apart.std(ddof=1)) if count > 1 else float("nan")
    far = stats.norm.ppf([0.5 + CONFIDENCE / 2, POWER]).sum()
    return (
        f"{count:,} test documents find differences of {far * deviation / count**0.5:.1f} points "
        f"of ROUGE and more in 8 of 10 studies, if two ways differ from document to document as "
        f"lead and TextRank do here (sd {deviation:.1f} points); less, if they choose alike. Most "
        "published gains are below 1 point."
    )


def verdict(scores: Mapping[str, np.ndarray], args: SummaryCompareArgs) -> Facts:
    """Every comparison with its uncertainty, and the answer, as plain JSON."""
    smallest, count = args.study.smallest_effect, len(scores[LEAD])
    draws = Draws(args.intervals.resamples, args.seed.seed)
    weights = np.concatenate(list(draws.weights(count)))
    comparisons: list[Facts] = []
    for arm, against in PAIRS:
        apart = scores[arm] - scores[against]  # (documents, seeds)
        drawn = weights @ apart / weights.sum(1, keepdims=True)
        stream = numbers(args.seed.seed, "bootstrap", "seeds")
        gain = paired_gain(apart.mean(0), drawn, Support.of_rows(count), smallest, stream)
        comparisons.append({"arm": arm, "against": against, "main": against == BASE} | gain)
    first, *others = comparisons
    for one, p in zip(others, holm([other["p_value"] for other in others]), strict=True):
        one["p_holm"] = p
    answer, means = answer_of(first, smallest), {a: own.mean(0) for a, own in scores.items()}
    return {
        "answer": answer,
        "sentence": f"{answer.capitalize()}: step 2 changed ROUGE by {_gain(first)}.",
        "lines": [f"{one['arm']} against {one['against']}: {_gain(one)}" for one in others],
        "metric": "rouge",
        "higher_is_better": True,
        "smallest_effect": smallest,
        "documents": count,
        "seeds": _seeds(args),
        "arms": {
            arm: {
                "values": of.tolist(),
                "seeds": _seeds(args)[: len(of)],
                "mean": float(of.mean()),
            }
            for arm, of in means.items()
        },
        "comparisons": comparisons,
        "warnings": [ONE_ENCODER] if args.seeds.seeds > 1 else [],
    }


def _gain(comparison: Mapping[str, Any]) -> str:
    """A gain in points with its interval, where one can be computed."""
    gain, seeds = f"{comparison['gain']:+.2f} points", len(comparison["differences"])
    if comparison["low"] is None:
        return f"{gain} (no interval: {seeds} seed; run 5)"
    ends = f"95 % interval {comparison['low']:+.2f} to {comparison['high']:+.2f}, {seeds} seeds"
    if comparison["minimum_detectable"] is not None and comparison["main"]:
        ends += f"; {comparison['minimum_detectable']:.2f} or more would be found in 8 of 10"
    return f"{gain} ({ends})"
