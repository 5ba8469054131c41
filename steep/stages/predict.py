"""steep predict: a probability for every row and class, in the file's own order."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steep import runs
from steep.config import PredictArgs, TableArgs
from steep.console import say
from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.models import inference
from steep.models.checkpoints import PROBLEMS, check_length, load_tokenizer, load_trained
from steep.models.devices import choose

MAX_LENGTH, TRUNCATION = 512, "head"  # for classifiers that Steep did not train


@dataclass(frozen=True)
class Trained:
    """A trained classifier with what it was trained to read: its task and table options."""

    folder: Path
    task: Task
    table: TableArgs
    max_length: int
    truncation: str

    def predict(self, corpus: Corpus, args: PredictArgs) -> np.ndarray:
        """Probabilities (rows, labels), or targets (rows,), in the order of the corpus."""
        machine = choose(args)
        model = load_trained(self.folder, machine.attention)
        tokenizer = load_tokenizer(self.folder)
        check_length(self.max_length, model)
        rows = Rows(corpus, self.task, tokenizer, self.max_length, self.truncation)
        return inference.predict(model, rows, machine, args.batch_size)


def predict(
    model: str | Path, source: str | Path, *, out: str | Path, args: PredictArgs | None = None
) -> Path:
    """Predictions for every row of `source`, written to the CSV file `out`.

    Multi-label: the id and a column of probabilities for each label, as a Kaggle submission has it.
    Single-label: the id, the most probable class, and p_<class> for each. Regression: the id and
    the target. Rows without a text are counted, and predicted as an empty text. Raises
    SteepError for whatever is wrong with the folder or the file.
    """
    args, out = args or PredictArgs(), Path(out)
    check_out(out, args.overwrite)
    trained = load(Path(model))
    table = table_args(trained, args, label=None)
    corpus = read_table(Path(source), table, keep_empty=True)
    for note in corpus.notes:
        say(note)
    probabilities = trained.predict(corpus, args)
    name = args.id or "id"
    lines = [
        {name: row_id, **_cells(trained.task, given)}
        for row_id, given in zip(corpus.table["id"], probabilities, strict=True)
    ]
    with runs.explained(out):
        runs.write_csv(out, lines)
    say(f"predictions: {out} ({len(lines):,} rows)")
    return out


def load(folder: Path) -> Trained:
    """The classifier in `folder`: one of `steep fit`, or any Hugging Face classifier."""
    if (folder / runs.MANIFEST).is_file():
        made = runs.read_manifest(folder, "fit")["args"]
        task = runs.read_json(folder / runs.RESULTS)["task"]
        known = {name: made[name] for name in TableArgs.__dataclass_fields__}
        table = TableArgs(**known)
        kind = Task(task["kind"], tuple(task["labels"]))
        return Trained(folder, kind, table, made["max_length"], made["truncation"])
    config = load_trained(folder, "eager").config.to_dict()
    kinds = {problem: kind for kind, problem in PROBLEMS.items()}
    labels = tuple(config["id2label"].values())
    task = Task(kinds.get(config["problem_type"], "single"), labels)
    most = min(MAX_LENGTH, config.get("max_position_embeddings", MAX_LENGTH))
    return Trained(folder, task, TableArgs(), most, TRUNCATION)


def table_args(trained: Trained, args: PredictArgs, label: str | None) -> TableArgs:
    """How the table is read: as in training, but for what the user says otherwise."""
    return replace(
        trained.table,
        text=args.text or trained.table.text,
        pair=args.pair or trained.table.pair,
        id=args.id,
        label=label,
    )


def check_out(out: Path, overwrite: bool) -> None:
    """Raises SteepError if the file cannot be written, before anything is computed."""
    if out.is_dir():
        raise SteepError(f"{out} is a folder; --out must name a CSV file.")
    if out.exists() and not overwrite:
        raise SteepError(f"{out} is in use. Choose another --out, or add --overwrite.")
    if out.parent.exists() and not out.parent.is_dir():
        raise SteepError(f"{out.parent} is a file, so {out} cannot be written.")


def _cells(task: Task, given: np.ndarray) -> dict[str, str]:
    if task.kind == "regression":
        return {task.labels[0]: f"{float(given):.6g}"}
    shares = [f"{p:.6f}" for p in given]
    if task.kind == "multi":
        return dict(zip(task.labels, shares, strict=True))
    names = [f"p_{label}" for label in task.labels]
    return {"label": task.labels[given.argmax()], **dict(zip(names, shares, strict=True))}
