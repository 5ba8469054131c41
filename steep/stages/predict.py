"""steep predict: a probability for every row and class, in the file's own order."""

import json
import shlex
from operator import ne
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steep import runs
from steep.args import PredictArgs
from steep.args.table import ColumnArgs, TableArgs, Unit
from steep.console import say, say_next
from steep.data.corpus import TEXT_COLUMNS, Corpus, Task, corpus_of
from steep.data.load import read_columns, read_table
from steep.data.readers import Source, Texts, is_texts, listed
from steep.errors import SteepError
from steep.metrics.calibration import confidence, decide
from steep.metrics.predictions import free_columns, guarded, named
from steep.models.trained import Trained, load_trained_model
from steep.openings import Engine
from steep.options import change
from steep.outputs import writing_file
from steep.places import inputs_of
from steep.wording import counted, quoted

Columns = dict[str, Any]  # lists or arrays, by name


def predict(
    model: str | Path,
    source: Source | Texts,
    *,
    out: Path | None = None,
    args: PredictArgs,
    engine: Engine | None = None,
) -> Path | pd.DataFrame:
    """Predictions for every row of `source`, as a DataFrame, or written to the CSV file `out`.

    Multi-label: the id and a column of probabilities for each label, and of a model with
    thresholds `decision`, its labels joined by '|'. Single-label: the id, the
    class that is decided on as `label`, its `probability`, and p_<class> for each. Regression: the
    id and the target, or each of several. With `abstain_below` there is `abstained` (0 or 1), and
    the decision of such rows is empty. With `keep_columns` the input's own columns follow. A column
    whose name is taken gets a '_' at the end of its own. `engine` replaces torch. Rows of a table
    without a text are counted, and predicted as an empty text. Raises SteepError for whatever is
    wrong with the folder or the source.
    """
    if out is None:
        frame = pd.DataFrame(_predicted(load_trained_model(Path(model)), source, args, engine))
        if isinstance(source, pd.DataFrame | pd.Series):
            frame.index = source.index
        return frame
    inputs = inputs_of(args, model, *(() if is_texts(source) else (source,)))
    with writing_file(out, "CSV", args.output.overwrite, inputs) as file:
        trained = load_trained_model(Path(model))
        form = ".6g" if trained.task.kind == "regression" else ".6f"
        lines = _lines(_predicted(trained, source, args, engine), form)
        safe = [guarded(line) for line in lines]
        runs.write_csv(file, safe if args.csv.safe_csv else lines)
    say(f"predictions: {out} ({len(lines):,} rows)")
    if risky := 0 if args.csv.safe_csv else sum(map(ne, safe, lines)):
        say(
            f"{counted(risky, 'row')} with what a spreadsheet computes as a formula: if you will "
            "open the file in one, write it with --safe-csv"
        )
    say_next(shlex.join(["steep", "evaluate", str(model), "LABELLED.csv"]))
    return out


def _read(trained: Trained, source: Source | Texts, columns: ColumnArgs) -> Corpus:
    """Every row of a table, or of a list of texts; SteepError for whatever is wrong with it."""
    table = table_for(trained, columns)
    if is_texts(source):
        return corpus_of(listed(source), table.columns.pair is not None)
    corpus = read_table(source, table, keep_empty=True)
    for note in corpus.notes:
        say(note)
    return corpus


def _predicted(
    trained: Trained, source: Source | Texts, args: PredictArgs, engine: Engine | None
) -> Columns:
    corpus, name = _read(trained, source, args.columns), args.columns.id or "id"
    below = args.abstain.abstain_below
    check_abstention(trained.task, below)
    kept = _kept(source, corpus, args.columns.unit, name) if args.csv.keep_columns else {}
    compute = None if engine is None else engine.compute
    probabilities = trained.predict(corpus, args.batch.size, args.machine, compute)
    return _columns(corpus, trained.task, probabilities, below, name, kept)


def _kept(source: Source | Texts, corpus: Corpus, unit: Unit, name: str) -> Columns:
    """The input's own columns; that of the ids, called `name`, stands among the program's."""
    if is_texts(source):
        return {n: list(corpus.table[n]) for n in corpus.table.column_names if n in TEXT_COLUMNS}
    return {n: cells for n, cells in read_columns(source, unit).items() if n != name}


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
            "group": None,
        },
    )


def read_labelled(
    trained: Trained,
    source: Source,
    columns: ColumnArgs,
    label: str | None,
    group: str | None = None,
) -> Corpus:
    """Rows with labels, for measuring a model; SteepError where no column of labels is known."""
    label = label or trained.table.target.label
    if label is None:
        raise SteepError(f"{source}: name the column of labels with --label, to measure the model.")
    labels = trained.table.labels  # a kind that was asked for would have each spelling a label
    kind = trained.task.kind if labels.soft else labels.task
    table = change(table_for(trained, columns, label), {"task": kind, "group": group})
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


def _columns(
    corpus: Corpus,
    task: Task,
    probabilities: np.ndarray,
    below: float | None,
    name: str,
    kept: Columns,
) -> Columns:
    """The id as `name`, the decision, the probabilities (arrays of floats), the columns `kept`.

    Names are those of `free_columns`; one that changed is said.
    """
    start = "p_" if task.kind == "single" else ""
    own = _own(task, probabilities, below)
    shown = [name, *(f"{start}{label}" for label in task.labels), *kept]
    names = free_columns(list(own), shown)
    for old, new in zip(shown, names, strict=True):
        if old != new:
            say(f"predictions: {quoted(old)} is written as {quoted(new)}, as its name is taken")
    given = probabilities.reshape(len(probabilities), -1).T.astype(float)
    labels = dict(zip(names[1:], given, strict=False))
    rest = dict(zip(names[1 + len(given) :], kept.values(), strict=True))
    answers = own | labels if task.kind == "single" else labels | own
    return {names[0]: list(corpus.table["id"])} | answers | rest


def _own(task: Task, probabilities: np.ndarray, below: float | None) -> Columns:
    """The program's columns beside id and labels: the decision, and whether there is none."""
    if task.kind == "regression":
        return {}
    unsure, decided = abstained(task, probabilities, below), decide(task, probabilities)
    cells = ["" if out else said for said, out in zip(named(task, decided), unsure, strict=True)]
    mark = {} if below is None else {"abstained": unsure.astype(int).tolist()}
    if task.kind == "single":
        of_chosen = probabilities[np.arange(len(decided)), decided].astype(float)
        return {"label": cells, "probability": of_chosen} | mark
    return {"decision": cells} | mark if task.thresholds or mark else {}


def _lines(columns: Columns, form: str) -> list[dict[str, Any]]:
    """A dictionary a row, for a CSV file; the model's numbers have the format `form`."""
    cells = [
        [f"{number:{form}}" for number in column]
        if isinstance(column, np.ndarray)
        else [_cell(value) for value in column]
        for column in columns.values()
    ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]


def _cell(value: Any) -> Any:
    """A value of the input as a cell: a list as JSON, nothing where it is missing."""
    if isinstance(value, list | tuple | np.ndarray):
        return json.dumps(list(value), ensure_ascii=False, default=str)
    return "" if pd.isna(value) else value
