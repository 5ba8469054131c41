"""steep predict: a probability for every row and class, in the file's own order."""

from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import PredictArgs
from steep.args.table import ColumnArgs, TableArgs
from steep.console import say
from steep.data.corpus import Corpus, Task
from steep.data.load import read_table
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.decisions import confidence, decide
from steep.metrics.predictions import free_columns, guarded, named
from steep.models.trained import Trained, load_trained_model
from steep.openings import Engine
from steep.options import change
from steep.outputs import writing_file
from steep.places import inputs_of
from steep.wording import quoted


def predict(
    model: str | Path,
    source: Source,
    *,
    out: Path,
    args: PredictArgs,
    engine: Engine | None = None,
) -> Path:
    """Predictions for every row of `source`, written to the CSV file `out`.

    Multi-label: the id and a column of probabilities for each label, as a Kaggle submission has it;
    of a model with thresholds also `decision`, its labels joined by '|'. Single-label: the id, the
    class that is decided on, and p_<class> for each. Regression: the id and the target, or each of
    several. With `abstain_below` there is `abstained` (0 or 1), and the decision of such rows is
    empty. An id or label whose column would have a name that is taken gets a '_' at the end of its
    own. `engine` replaces torch. Rows without a text are counted, and predicted as an empty
    text. Raises SteepError for whatever is wrong with the folder or the file.
    """
    with writing_file(out, "CSV", args.output.overwrite, inputs_of(args, model, source)) as file:
        lines = _predicted(load_trained_model(Path(model)), source, args, engine)
        runs.write_csv(file, lines)
    say(f"predictions: {out} ({len(lines):,} rows)")
    return out


def _predicted(
    trained: Trained, source: Source, args: PredictArgs, engine: Engine | None
) -> list[dict[str, Any]]:
    corpus = read_table(source, table_for(trained, args.columns), keep_empty=True)
    for note in corpus.notes:
        say(note)
    below = args.abstain.abstain_below
    check_abstention(trained.task, below)
    compute = None if engine is None else engine.compute
    probabilities = trained.predict(corpus, args.batch.batch_size, args.machine, compute)
    lines = _lines(args.columns.id or "id", corpus, trained.task, probabilities, below)
    return [guarded(line) for line in lines] if args.csv.safe_csv else lines


def table_for(trained: Trained, columns: ColumnArgs, label: str | None = None) -> TableArgs:
    """How the table is read: as in training, but for what the user says otherwise."""
    known = trained.table.columns
    return change(
        trained.table,
        {
            "text": columns.text or known.text,
            "pair": columns.pair or known.pair,
            "unit": columns.unit if columns.unit != "auto" else known.unit,
            "id": columns.id,
            "label": label,
            "sample_weight": None,
        },
    )


def read_labelled(
    trained: Trained, source: Source, columns: ColumnArgs, label: str | None
) -> Corpus:
    """Rows with labels, for measuring a model; SteepError where no column of labels is known."""
    label = label or trained.table.target.label
    if label is None:
        raise SteepError(f"{source}: name the column of labels with --label, to measure the model.")
    table = change(table_for(trained, columns, label), {"task": trained.task.kind})
    return read_table(source, table, trained.task)


def check_abstention(task: Task, below: float | None) -> None:
    """Raises SteepError if the task has no decisions to abstain from."""
    if below is not None and task.kind == "regression":
        raise SteepError("abstain_below: a regression has no confidence. Leave the option out.")


def abstained(task: Task, probabilities: np.ndarray, below: float | None) -> np.ndarray:
    """Which rows the model leaves undecided, bool (n,); said with their count."""
    if below is None:
        return np.zeros(len(probabilities), bool)
    unsure = confidence(task, probabilities) < below
    say(f"undecided: {unsure.sum():,} of {len(unsure):,} rows, of a confidence below {below:g}")
    return unsure


def _lines(
    name: str, corpus: Corpus, task: Task, probabilities: np.ndarray, below: float | None
) -> list[dict[str, Any]]:
    """One dictionary a row: its id as `name`, the decision, the probabilities.

    Names are those of `free_columns`; one that changed is said.
    """
    start = "p_" if task.kind == "single" else ""
    own, shown = _own_columns(task, below), [f"{start}{label}" for label in task.labels]
    first, *names = free_columns(own, [name, *shown])
    for old, new in zip([name, *shown], [first, *names], strict=True):
        if old != new:
            say(f"predictions: {quoted(old)} is written as {quoted(new)}, as its name is taken")
    ids = corpus.table["id"]
    if task.kind == "regression":
        columns = probabilities.reshape(len(probabilities), -1)
        return [
            {first: i, **{t: f"{x:.6g}" for t, x in zip(names, given, strict=True)}}
            for i, given in zip(ids, columns, strict=True)
        ]
    unsure = abstained(task, probabilities, below)
    decided = named(task, decide(task, probabilities))
    lines = []
    for i, said, out, given in zip(ids, decided, unsure, probabilities, strict=True):
        cells: dict[str, Any] = dict(zip(own, ["" if out else said, int(out)], strict=False))
        shares = dict(zip(names, [f"{p:.6f}" for p in given], strict=True))
        lines.append({first: i} | (shares | cells if task.kind == "multi" else cells | shares))
    return lines


def _own_columns(task: Task, below: float | None) -> list[str]:
    """The program's columns beside id and labels: the decision, and whether there is none."""
    if task.kind == "regression":
        return []
    mark = [] if below is None else ["abstained"]
    if task.kind == "single":
        return ["label", *mark]
    return ["decision", *mark] if task.thresholds or mark else []
