"""steep evaluate: predictions against labels, with bootstrap intervals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.config import EvaluateArgs
from steep.console import out as console
from steep.console import say
from steep.data.corpus import Corpus
from steep.data.duplicates import row_hashes
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.metrics.summary import lines, summarise
from steep.models.devices import choose
from steep.stages import facts
from steep.stages.predict import Trained, load, table_args


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
    corpus = _read(trained, Path(source), args)
    notes = [*corpus.notes, *_trained_on(trained, corpus)]
    for note in notes:
        say(note)
    probabilities = trained.predict(corpus, args)
    results: dict[str, Any] = {
        "task": {"kind": trained.task.kind, "labels": list(trained.task.labels)},
        "metric": primary(trained.task),
        "model": str(model),
        "test": summarise(trained.task, corpus.labels(), probabilities, args.resamples, args.seed),
    }
    console.print(f"{corpus.source}: {len(corpus):,} rows", markup=False)
    for line in lines(results["test"]):
        console.print(f"  {line}", markup=False)
    if args.out is not None:
        _keep(args.out, args, results, corpus, probabilities, notes)
    return results


def _read(trained: Trained, source: Path, args: EvaluateArgs) -> Corpus:
    label = args.label or trained.table.label
    if label is None:
        raise SteepError(f"{source}: name the column of labels with --label.")
    table = replace(table_args(trained, args, label), task=trained.task.kind)
    return read_table(source, table, trained.task)


def _trained_on(trained: Trained, corpus: Corpus) -> list[str]:
    """A warning if the model has seen these rows in training."""
    known = int(np.isin(row_hashes(corpus), runs.read_hashes(trained.folder)).sum())
    if not known:
        return []
    share = f"{known:,} of {len(corpus):,} rows"
    return [f"{corpus.source}: the model was trained on {share}: its scores on them flatter"]


def _keep(
    out: Path,
    args: EvaluateArgs,
    results: dict[str, Any],
    corpus: Corpus,
    probabilities: np.ndarray,
    notes: list[str],
) -> None:
    """The run folder of an evaluation."""
    labels, machine = tuple(results["task"]["labels"]), choose(args)
    files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
    counts = {"test": facts.label_counts(corpus)}
    with runs.writing(out, "evaluate", args, args.overwrite) as run:
        run.record(device=str(machine.device), base=results["model"], notes=notes)
        run.record(data={"files": files, "parts": {"test": len(corpus)}, "labels": counts})
        rows = facts.prediction_lines(corpus, labels, probabilities)
        runs.write_csv(run.folder / runs.PREDICTIONS / "test.csv", rows)
        runs.write_json(run.folder / runs.RESULTS, results)
