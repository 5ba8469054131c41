"""How good is a fitted classifier on held-out rows? Beside word counts, and a constant answer."""

from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import FitArgs
from steep.args.training import DecisionArgs
from steep.data import batches
from steep.data.corpus import Corpus, Data, Task
from steep.errors import SteepError
from steep.metrics.calibration import Decisions, ece
from steep.metrics.predictions import prediction_lines
from steep.metrics.scores import primary, score
from steep.metrics.summary import (
    CONSTANT,
    COUNTS,
    Output,
    beside,
    constant,
    headline,
    summarise,
    summary_lines,
)
from steep.metrics.weighted import Draws
from steep.metrics.word_counts import fit_tfidf

if TYPE_CHECKING:
    from steep.train.classify import Fitted

FLATTERING = (
    "thresholds and temperatures were chosen on the validation rows, so their scores are optimistic"
)


Raw = dict[str, np.ndarray]
"""What the model says of the rows of a part, as in `steep.metrics.scores.score`."""


def predicted(fitted: "Fitted", data: Data, args: FitArgs) -> Raw:
    """What is predicted for the rows of every part that is held out."""
    from steep.models.devices import choose, for_checkpointing

    machine = for_checkpointing(choose(args.machine), args.tune.memory)
    return {p: fitted.predict(corpus, machine) for p, corpus in data.parts.items() if p != "train"}


def held_out(raw: Raw, data: Data, used: Data, args: FitArgs, run: runs.Run) -> dict[str, Any]:
    """{"valid", "test", "decisions"} for the results; `test` and `decisions` are None without.

    Writes what was `predicted`, and decisions.json where thresholds or temperatures are chosen.
    Each part is set `beside` a constant answer and word counts, both of the training rows of
    `used`.
    """
    task, how, parts = data.labelled(), args.decisions, {part: data.parts[part] for part in raw}
    labels = data.valid.labels()
    chosen, notes = _decided(task, how, labels, raw["valid"])
    for note in [*notes, FLATTERING] if chosen else notes:
        run.note(note)
    results: dict[str, Any] = {"valid": None, "test": None, "decisions": None}
    others, metric = baselines(used, parts, args, run), args.metric.metric or primary(task)
    for part, corpus in parts.items():
        given = chosen.task(task), chosen.probabilities(task, raw[part])
        results[part] = _measure(part, corpus, *given, run)
        draws = Draws(groups=corpus.group_codes())
        results[part]["compared"] = beside(corpus.labels(), given, others[part], metric, draws)
    if chosen:
        asked = {
            "threshold": threshold_of(task, how),
            "calibrate": how.calibrate,
            "rows": len(labels),
        }
        before = {part: _scored(task, corpus.labels(), raw[part]) for part, corpus in parts.items()}
        results["decisions"] = asked | chosen.as_json(task) | {"before": before}
        runs.write_json(run.folder / runs.DECISIONS, results["decisions"])
    return results


def _measure(
    part: str, corpus: Corpus, task: Task, probabilities: np.ndarray, run: runs.Run
) -> dict[str, Any]:
    if task.kind == "multi" and not task.thresholds and not (probabilities >= 0.5).any():
        run.note(f"{part}: no label reaches probability 1/2 in any row, so F1 is 0; train longer?")
    path = run.folder / runs.PREDICTIONS / f"{part}.csv"
    runs.write_csv(path, prediction_lines(corpus, task, probabilities))
    return summarise(task, corpus.labels(), probabilities, Draws(groups=corpus.group_codes()))


def _scored(task: Task, labels: np.ndarray, raw: np.ndarray) -> dict[str, float]:
    """The metrics and the calibration error as they would be without any decision."""
    return score(task, labels, raw) | {"ece": ece(task, labels, raw)}


def threshold_of(task: Task, how: DecisionArgs) -> str | None:
    """How thresholds are chosen: of several labels a row, by default for the best F1 of each."""
    return how.threshold or ("f1" if task.kind == "multi" else None)


def _decided(
    task: Task, how: DecisionArgs, labels: np.ndarray, raw: np.ndarray
) -> tuple[Decisions, list[str]]:
    """The thresholds and temperatures that suit validation rows, if they are asked for; notes."""
    threshold = threshold_of(task, how)
    if threshold is None and not how.calibrate:
        return Decisions(), []
    from steep.metrics.decisions import fit_decisions

    return fit_decisions(task, labels, raw, threshold, how.calibrate)


def baselines(
    used: Data, parts: dict[str, Corpus], args: FitArgs, run: runs.Run
) -> dict[str, dict[str, Output]]:
    """What a constant answer, and word counts, predict for the rows of each part.

    Thresholds and temperatures of word counts are chosen as the model's are.
    """
    task, (train, valid), how = used.labelled(), (used.train, used.valid), args.decisions
    known = train.labels()
    found: dict[str, dict[str, Output]] = {
        part: {CONSTANT: (task, constant(task, known, len(rows)))} for part, rows in parts.items()
    }
    labelled, asked = ((rows.whole(), rows.labels()) for rows in (train, valid))
    try:
        counts = batches.weights_of_rows(train, task, args.tune.loss)
        model = fit_tfidf(labelled, asked, task, args.seed.seed, counts)
    except SteepError as error:  # texts without words
        run.note(f"no word counts beside the model: {error}")
        return found
    raw = {part: model.predict(rows.whole()) for part, rows in parts.items()}
    chosen, _ = _decided(task, how, asked[1], raw["valid"])
    for part, outputs in raw.items():
        found[part][COUNTS] = (chosen.task(task), chosen.probabilities(task, outputs))
    return found


def scores_by_part(results: dict[str, Any]) -> dict[str, float]:
    """What was found on held-out rows, by names such as 'test_accuracy'."""
    return {
        f"{part}_{name}": found["value"]
        for part in ("valid", "test")
        if results[part]
        for name, found in results[part]["metrics"].items()
    }


def result_lines(results: dict[str, Any]) -> list[str]:
    """What a fit found, as lines to print: first whether it learnt more than word counts do."""
    best = results["test"] or results["valid"]
    part = "test" if results["test"] else "validation"
    lines = [f"{part} ({best['rows']:,} rows):"]
    said = headline(best["compared"])
    return lines + [f"  {line}" for line in (said, *summary_lines(best), *_gains(results)) if line]


def _gains(results: dict[str, Any]) -> list[str]:
    """A line a metric that decisions changed: 'macro_f1 0.412 before thresholds, 0.487 after'."""
    part = "test" if results["test"] else "valid"
    if not results["decisions"]:
        return []
    before, after = results["decisions"]["before"][part], results[part]
    now = {name: found["value"] for name, found in after["metrics"].items()}
    now["ece"] = after["calibration"]["ece"]
    return [
        f"{name} {value:.3f} without thresholds and calibration, {now[name]:.3f} with them"
        for name, value in before.items()
        if name in now and abs(now[name] - value) >= 0.0005
    ]
