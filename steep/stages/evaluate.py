"""steep evaluate: predictions against labels, with bootstrap intervals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from steep import runs
from steep.config import EvaluateArgs
from steep.console import out as console
from steep.console import say
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.metrics.summary import lines, summarise
from steep.models.devices import choose
from steep.stages import facts
from steep.stages.predict import load, table_args


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
    label = args.label or trained.table.label
    if label is None:
        raise SteepError(f"{source}: name the column of labels with --label.")
    table = table_args(trained, args, label)
    corpus = read_table(Path(source), replace(table, task=trained.task.kind), trained.task)
    for note in corpus.notes:
        say(note)
    probabilities = trained.predict(corpus, args)
    summary = summarise(trained.task, corpus.labels(), probabilities, args.resamples, args.seed)
    results = {
        "task": {"kind": trained.task.kind, "labels": list(trained.task.labels)},
        "metric": primary(trained.task),
        "model": str(model),
        "test": summary,
    }
    console.print(f"{corpus.source}: {len(corpus):,} rows", markup=False)
    for line in lines(summary):
        console.print(f"  {line}", markup=False)
    if args.out is not None:
        with runs.writing(args.out, "evaluate", args, args.overwrite) as run:
            machine = choose(args)
            run.record(device=str(machine.device), base=str(model), notes=list(corpus.notes))
            counts = {"test": facts.label_counts(corpus)}
            files = [{"name": corpus.source, "rows": len(corpus), "fingerprint": ""}]
            run.record(data={"files": files, "parts": {"test": len(corpus)}, "labels": counts})
            rows = facts.prediction_lines(corpus, trained.task.labels, probabilities)
            runs.write_csv(run.folder / runs.PREDICTIONS / "test.csv", rows)
            runs.write_json(run.folder / runs.RESULTS, results)
    return results
