"""steep evaluate: predictions against labels, with bootstrap intervals."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from steep import outputs, runs
from steep.args import EvaluateArgs
from steep.console import say, say_next, tell
from steep.data.corpus import Corpus, Task, label_counts
from steep.data.duplicates import row_hashes
from steep.data.groups import described, group_notes
from steep.data.readers import Source
from steep.metrics.predictions import prediction_lines
from steep.metrics.scores import primary, score
from steep.metrics.summary import summarise, summary_lines
from steep.metrics.weighted import Draws
from steep.models.trained import Trained, load_trained_model
from steep.openings import Engine
from steep.options import as_mapping
from steep.places import find_place, inputs_of
from steep.stages.predict import abstained, check_abstention, read_labelled


def evaluate(
    model: str | Path,
    source: Source,
    *,
    args: EvaluateArgs,
    out: Path | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """How good `model` is on the labelled rows of `source`: printed, and returned as plain JSON.

    {"task", "metric", "model", "test": {"rows", "metrics": {name: {"value", "low", "high"}}, ...}}.
    With `out` a run folder is written, too; `engine` replaces torch. Raises SteepError for
    whatever is wrong.
    """
    if out is not None:
        find_place(out, "folder", args.output.overwrite, inputs_of(args, model, source))
    trained = load_trained_model(Path(model))
    corpus = read_labelled(trained, source, args.columns, args.target.label, args.groups.group)
    known = int(np.isin(row_hashes(corpus), runs.read_hashes(trained.folder)).sum())
    notes = [*corpus.notes, *_grouped(trained, corpus, args), *_seen(trained, corpus, known)]
    for note in notes:
        say(note)
    check_abstention(trained.task, args.abstain.abstain_below)
    compute = None if engine is None else engine.compute
    probabilities = trained.predict(corpus, args.batch.size, args.machine, compute)
    results = {"model": str(model), "trained_on": known}
    results |= _measured(trained, corpus, probabilities, args)
    try:
        if out is not None:
            lines = prediction_lines(corpus, trained.task, probabilities)
            options = as_mapping(args) | dict(engine.options if engine else {})
            _keep(out, args, results, corpus, lines, {"args": options, "notes": notes})
    finally:  # also where it cannot be written
        _tell(corpus, results)
    if out is not None:
        say_next(shlex.join(["steep", "report", str(out)]))
    return results


def _measured(
    trained: Trained, corpus: Corpus, probabilities: np.ndarray, args: EvaluateArgs
) -> dict[str, Any]:
    """What the predictions of `trained` for these rows are worth."""
    task = trained.task
    draws = Draws(args.intervals.resamples, args.seed.seed, corpus.group_codes())
    return {
        "task": task.described(),
        "metric": primary(task),
        "test": summarise(task, corpus.labels(), probabilities, draws),
        "answered": _answered(task, corpus, probabilities, args.abstain.abstain_below),
        "decisions": trained.decisions.as_json(task) if trained.decisions else None,
    }


def _tell(corpus: Corpus, results: dict[str, Any]) -> None:
    tell(f"{corpus.source}: {len(corpus):,} rows")
    for line in summary_lines(results["test"]):
        tell(f"  {line}")
    if answered := results["answered"]:
        name = next((n for n in ("accuracy", "exact_match") if n in answered["metrics"]), None)
        found = f": {name} {answered['metrics'][name]:.3f} on them" if name else ""
        tell(f"  answered {answered['rows']:,} rows ({answered['coverage']:.1%}){found}")


def _grouped(trained: Trained, corpus: Corpus, args: EvaluateArgs) -> list[str]:
    """What is known of which rows belong together."""
    asked = args.groups.group
    if asked is not None or trained.table.groups.group is None:
        return group_notes({"test": corpus}, asked, 0)
    name = trained.table.groups.group
    return [
        f"{corpus.source}: rows count as independent; the model was fitted with --group {name}: "
        "if these rows belong together, too, name their column with --group"
    ]


def _seen(trained: Trained, corpus: Corpus, known: int) -> list[str]:
    """What of these rows the model was trained on, and what its encoder saw of held-out texts."""
    found = []
    if known:
        share = f"the model was trained on {known:,} of {len(corpus):,} rows"
        found.append(f"{corpus.source}: {share}: its scores on them are optimistic")
    if (trained.folder / runs.MANIFEST).is_file():
        notes = runs.read_manifest(trained.folder, "fit").get("notes", [])
        found += [f"of the fit: {note}" for note in notes if note.startswith("transductive")]
    return found


def _answered(
    task: Task, corpus: Corpus, probabilities: np.ndarray, below: float | None
) -> dict[str, Any] | None:
    """The scores of the rows that the model does not abstain from; None where it may not."""
    if below is None:
        return None
    kept = ~abstained(task, probabilities, below)
    metrics = score(task, corpus.labels()[kept], probabilities[kept]) if kept.any() else {}
    return {
        "abstain_below": below,
        "rows": int(kept.sum()),
        "coverage": float(kept.mean()),
        "metrics": metrics,
    }


def _keep(
    out: Path,
    args: EvaluateArgs,
    results: dict[str, Any],
    corpus: Corpus,
    predictions: list[dict[str, Any]],
    record: dict[str, Any],
) -> None:
    """The run folder of an evaluation; `record` goes into its manifest."""
    from steep.models.devices import choose

    machine = choose(args.machine)
    files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
    counts = {"test": label_counts(corpus)}
    with outputs.writing(out, "evaluate", args, args.output.overwrite) as run:
        run.record(device=str(machine.device), base=results["model"], **record)
        grouped = described({"test": corpus}, args.groups.group, 0)
        parts = {"test": len(corpus)}
        run.record(data={"files": files, "parts": parts, "labels": counts} | grouped)
        runs.write_csv(run.folder / runs.PREDICTIONS / "test.csv", predictions)
        runs.write_json(run.folder / runs.RESULTS, results)
