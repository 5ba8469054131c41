"""steep evaluate: predictions against labels, with bootstrap intervals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import EvaluateArgs
from steep.console import out as console
from steep.console import say
from steep.data.corpus import Corpus, Task
from steep.data.duplicates import row_hashes
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.metrics.scores import primary, score
from steep.metrics.summary import lines, summarise
from steep.stages import facts
from steep.stages.predict import (
    Trained,
    abstained,
    check_abstention,
    check_engine,
    load,
    table_args,
)


def evaluate(
    model: str | Path, source: str | Path, *, args: EvaluateArgs | None = None
) -> dict[str, Any]:
    """How good `model` is on the labelled rows of `source`: printed, and returned as plain JSON.

    {"task", "metric", "model", "test": {"rows", "metrics": {name: {"value", "low", "high"}}, ...}}.
    With `args.out` a run folder is written, too. Raises SteepError for whatever is wrong.
    """
    args = args or EvaluateArgs()
    if args.out is not None:
        runs.check_free(args.out, args.overwrite)
    trained = load(Path(model))
    check_engine(trained, args)
    corpus = _read(trained, Path(source), args)
    known = int(np.isin(row_hashes(corpus), runs.read_hashes(trained.folder)).sum())
    notes = [*corpus.notes, *_trained_on(corpus, known), *_transductive(trained)]
    for note in notes:
        say(note)
    check_abstention(trained.task, args)
    probabilities = trained.predict(corpus, args)
    results: dict[str, Any] = {
        "task": trained.task.described(),
        "metric": primary(trained.task),
        "model": str(model),
        "trained_on": known,
        "test": summarise(trained.task, corpus.labels(), probabilities, args.resamples, args.seed),
        "answered": _answered(trained.task, corpus, probabilities, args),
        "decisions": trained.decisions.as_json(trained.task) if trained.decisions else None,
    }
    console.print(f"{corpus.source}: {len(corpus):,} rows", markup=False)
    for line in lines(results["test"]):
        console.print(f"  {line}", markup=False)
    if results["answered"]:
        console.print(_told(results["answered"]), markup=False)
    if args.out is not None:
        lines_of = facts.prediction_lines(corpus, trained.task, probabilities)
        _keep(args.out, args, results, corpus, lines_of, notes)
    return results


def _read(trained: Trained, source: Path, args: EvaluateArgs) -> Corpus:
    label = args.label or trained.table.label
    if label is None:
        raise SteepError(f"{source}: name the column of labels with --label.")
    table = replace(table_args(trained, args, label), task=trained.task.kind)
    return read_table(source, table, trained.task)


def _trained_on(corpus: Corpus, known: int) -> list[str]:
    """A warning if the model has seen `known` of these rows in training."""
    if not known:
        return []
    share = f"{known:,} of {len(corpus):,} rows"
    return [f"{corpus.source}: the model was trained on {share}: its scores on them flatter"]


def _transductive(trained: Trained) -> list[str]:
    """What the fit noted of held-out texts that its encoder had seen, without their labels."""
    if not (trained.folder / runs.MANIFEST).is_file():
        return []
    notes = runs.read_manifest(trained.folder, "fit")["notes"]
    return [f"of the fit: {note}" for note in notes if note.startswith("transductive")]


def _answered(
    task: Task, corpus: Corpus, probabilities: np.ndarray, args: EvaluateArgs
) -> dict[str, Any] | None:
    """The scores of the rows that the model does not abstain from; None where it may not."""
    if args.abstain_below is None:
        return None
    kept = ~abstained(task, probabilities, args.abstain_below)
    metrics = score(task, corpus.labels()[kept], probabilities[kept]) if kept.any() else {}
    return {
        "abstain_below": args.abstain_below,
        "rows": int(kept.sum()),
        "coverage": float(kept.mean()),
        "metrics": metrics,
    }


def _told(answered: dict[str, Any]) -> str:
    name = next((n for n in ("accuracy", "exact_match") if n in answered["metrics"]), None)
    found = f": {name} {answered['metrics'][name]:.3f} on them" if name else ""
    return f"  answered {answered['rows']:,} rows ({answered['coverage']:.1%}){found}"


def _keep(
    out: Path,
    args: EvaluateArgs,
    results: dict[str, Any],
    corpus: Corpus,
    predictions: list[dict[str, Any]],
    notes: list[str],
) -> None:
    """The run folder of an evaluation."""
    from steep.models.devices import choose

    machine = choose(args)
    files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
    counts = {"test": facts.label_counts(corpus)}
    with runs.writing(out, "evaluate", args, args.overwrite) as run:
        run.record(device=str(machine.device), base=results["model"], notes=notes)
        run.record(data={"files": files, "parts": {"test": len(corpus)}, "labels": counts})
        runs.write_csv(run.folder / runs.PREDICTIONS / "test.csv", predictions)
        runs.write_json(run.folder / runs.RESULTS, results)
