"""steep predict: a probability for every row and class, in the file's own order."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import ColumnArgs, PredictArgs, TableArgs
from steep.console import say
from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.data.long import Sliding
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.metrics.decisions import Decisions, from_json
from steep.metrics.thresholds import decide, sureness
from steep.models.hub import find
from steep.stages import facts

MAX_LENGTH, TRUNCATION = 512, "head"  # for classifiers that Steep did not train


@dataclass(frozen=True)
class Trained:
    """A trained classifier with what it was trained to read: its task and table options.

    `task` holds its thresholds, `decisions` its temperatures, too.
    """

    folder: Path
    task: Task
    table: TableArgs
    max_length: int
    truncation: str
    decisions: Decisions = Decisions()
    sliding: Sliding = Sliding()

    def predict(self, corpus: Corpus, args: PredictArgs) -> np.ndarray:
        """Probabilities (rows, labels), or targets (rows,), in the order of the corpus.

        Says how many rows a second that were.
        """
        rows, started = self.rows(corpus), time.monotonic()
        for note in rows.notes(corpus.source):
            say(note)
        given = self.compute(rows, args)
        rate = len(rows) / max(time.monotonic() - started, 1e-9)
        say(f"{args.engine}: {rate:,.0f} rows a second, loading included")
        return self.decisions.probabilities(self.task, given)

    def rows(self, corpus: Corpus) -> Rows:
        """The corpus as inputs of this model."""
        from steep.models.checkpoints import load_tokenizer

        tokenizer = load_tokenizer(self.folder)
        how = (self.max_length, self.truncation, self.sliding)
        return Rows(corpus, self.task, tokenizer, *how)

    def compute(self, rows: Rows, args: PredictArgs) -> np.ndarray:
        """Probabilities as the model gives them, by the engine asked for."""
        # Only now: importing torch takes longer than finding a mistake in a file or an option.
        from steep.models import inference, onnx
        from steep.models.checkpoints import check_length, load_trained
        from steep.models.devices import choose
        from steep.models.windows import load_joined

        if args.engine != "torch":
            return onnx.predict(self.folder / runs.ONNX[args.engine], rows, args.batch_size)
        machine = choose(args)
        model = load_trained(self.folder, machine.attention)
        check_length(self.max_length, model)
        joined = load_joined(self.folder, self.truncation, model)
        return inference.predict(model, rows, machine, args.batch_size, joined)


def predict(
    model: str | Path, source: str | Path, *, out: str | Path, args: PredictArgs | None = None
) -> Path:
    """Predictions for every row of `source`, written to the CSV file `out`.

    Multi-label: the id and a column of probabilities for each label, as a Kaggle submission has it;
    of a model with thresholds also `decision`, its labels joined by '|'. Single-label: the id, the
    class that is decided on, and p_<class> for each. Regression: the id and the target, or each of
    several. With `args.abstain_below` there is `abstained` (0 or 1), and the decision of such rows
    is empty.
    Rows without a text are counted, and predicted as an empty text. Raises SteepError for whatever
    is wrong with the folder or the file.
    """
    args, out = args or PredictArgs(), Path(out)
    check_out(out, args.overwrite)
    trained = load(Path(model))
    check_engine(trained, args)
    table = table_args(trained, args, label=None)
    corpus = read_table(Path(source), table, keep_empty=True)
    for note in corpus.notes:
        say(note)
    check_abstention(trained.task, args)
    probabilities = trained.predict(corpus, args)
    lines = _lines(args.id or "id", corpus, trained.task, probabilities, args.abstain_below)
    with runs.explained(out):
        runs.write_csv(out, lines)
    say(f"predictions: {out} ({len(lines):,} rows)")
    return out


def load(folder: Path) -> Trained:
    """The classifier in `folder`: one of `steep fit`, or any Hugging Face classifier."""
    if (folder / runs.MANIFEST).is_file():
        made = runs.read_manifest(folder, "fit")["args"]
        task = runs.read_json(folder / runs.RESULTS)["task"]
        # a folder of an earlier version lacks the options that are newer than it
        known = {name: made[name] for name in TableArgs.__dataclass_fields__ if name in made}
        table = TableArgs(**known)
        kind = Task(task["kind"], tuple(task["labels"]), ordered=task.get("ordered", False))
        decisions = Decisions()
        if (folder / runs.DECISIONS).is_file():
            found = runs.read_json(folder / runs.DECISIONS)
            decisions = from_json(found, kind, str(folder / runs.DECISIONS))
        length, truncation = made["max_length"], made["truncation"]
        sliding = Sliding(made.get("windows", 8), made.get("stride"))
        return Trained(folder, decisions.task(kind), table, length, truncation, decisions, sliding)
    find(folder)  # a mistyped one is answered before torch is imported
    from steep.models.checkpoints import PROBLEMS, load_trained

    config = load_trained(folder, "eager").config.to_dict()
    kinds = {problem: kind for kind, problem in PROBLEMS.items()}
    labels = tuple(config["id2label"].values())
    task = Task(kinds.get(config["problem_type"], "single"), labels)
    most = min(MAX_LENGTH, config.get("max_position_embeddings", MAX_LENGTH))
    return Trained(folder, task, TableArgs(), most, TRUNCATION)


def table_args(trained: Trained, args: ColumnArgs, label: str | None) -> TableArgs:
    """How the table is read: as in training, but for what the user says otherwise."""
    return replace(
        trained.table,
        text=args.text or trained.table.text,
        pair=args.pair or trained.table.pair,
        id=args.id,
        label=label,
        sample_weight=None,
    )


def check_out(out: Path, overwrite: bool) -> None:
    """Raises SteepError if the file cannot be written, before anything is computed."""
    if out.is_dir():
        raise SteepError(f"{out} is a folder; --out must name a CSV file.")
    if out.exists() and not overwrite:
        raise SteepError(f"{out} is in use. Choose another --out, or add --overwrite.")
    if out.parent.exists() and not out.parent.is_dir():
        raise SteepError(f"{out.parent} is a file, so {out} cannot be written.")


def check_engine(trained: Trained, args: PredictArgs) -> None:
    """Raises SteepError if the model was not exported for the engine."""
    if args.engine != "torch":
        file = trained.folder / runs.ONNX[args.engine]
        if not file.is_file():
            raise SteepError(f"{file}: there is no such file. Write it with 'steep export'.")


def check_abstention(task: Task, args: PredictArgs) -> None:
    """Raises SteepError if the task has no decisions to abstain from."""
    if args.abstain_below is not None and task.kind == "regression":
        raise SteepError("abstain_below: a regression has no probability to be unsure by.")


def abstained(task: Task, probabilities: np.ndarray, below: float | None) -> np.ndarray:
    """Which rows the model leaves undecided, bool (n,); said with their count."""
    if below is None:
        return np.zeros(len(probabilities), bool)
    unsure = sureness(task, probabilities) < below
    say(f"undecided: {unsure.sum():,} of {len(unsure):,} rows, less sure than {below:g}")
    return unsure


def _lines(
    name: str, corpus: Corpus, task: Task, probabilities: np.ndarray, below: float | None
) -> list[dict[str, Any]]:
    """One dictionary a row: its id as `name`, the decision, the probabilities."""
    ids = corpus.table["id"]
    if task.kind == "regression":
        columns = probabilities.reshape(len(probabilities), -1)
        return [
            {name: i, **{t: f"{x:.6g}" for t, x in zip(task.labels, given, strict=True)}}
            for i, given in zip(ids, columns, strict=True)
        ]
    unsure = abstained(task, probabilities, below)
    decided = facts.named(task, decide(task, probabilities))
    lines = []
    for i, said, out, given in zip(ids, decided, unsure, probabilities, strict=True):
        mark = {} if below is None else {"abstained": int(out)}
        lines.append({name: i} | _cells(task, "" if out else said, given, mark))
    return lines


def _cells(task: Task, said: str, given: np.ndarray, mark: dict[str, int]) -> dict[str, Any]:
    shares = [f"{p:.6f}" for p in given]
    if task.kind == "multi":
        decision = {"decision": said} if task.thresholds or mark else {}
        return dict(zip(task.labels, shares, strict=True)) | decision | mark
    names = [f"p_{label}" for label in task.labels]
    return {"label": said, **mark, **dict(zip(names, shares, strict=True))}
