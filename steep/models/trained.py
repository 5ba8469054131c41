"""How is a trained classifier loaded, and what does it need to predict? Its folder tells.

torch is imported only where something is computed: a user's mistake is answered before that.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steep import runs
from steep.args.kept import kept_options
from steep.args.running import MachineArgs
from steep.args.table import TableArgs
from steep.args.training import LengthArgs, LongTextArgs
from steep.console import say
from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows, Sliding
from steep.errors import SteepError
from steep.metrics.decisions import Decisions, decisions_from_json
from steep.models.hub import find
from steep.run_shapes import TASK
from steep.wording import some

MAX_LENGTH, TRUNCATION = 512, "head"  # of classifiers that Steep did not train

Compute = Callable[[Rows], np.ndarray]


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

    def predict(
        self,
        corpus: Corpus,
        batch_size: int,
        machine_args: MachineArgs,
        compute: Compute | None = None,
    ) -> np.ndarray:
        """Probabilities (rows, labels), or targets (rows,), in the order of the corpus.

        `compute` gives those of its inputs in place of torch, before any calibration. Says how
        many rows a second that were.
        """
        rows, started = self.rows(corpus), time.monotonic()
        for note in rows.notes(corpus.source):
            say(note)
        given = self.compute(rows, machine_args, batch_size) if compute is None else compute(rows)
        rate = len(rows) / max(time.monotonic() - started, 1e-9)
        say(f"{rate:,.0f} rows a second, loading included")
        return self.decisions.probabilities(self.task, given)

    def rows(self, corpus: Corpus) -> Rows:
        """The corpus as inputs of this model."""
        from steep.models.checkpoints import load_tokenizer

        tokenizer = load_tokenizer(self.folder)
        how = (self.max_length, self.truncation, self.sliding)
        return Rows(corpus, self.task, tokenizer, *how)

    def compute(self, rows: Rows, machine_args: MachineArgs, batch_size: int) -> np.ndarray:
        """Probabilities of inputs as the model gives them, by torch."""
        from steep.models import inference
        from steep.models.checkpoints import check_length, load_trained
        from steep.models.devices import choose
        from steep.models.long_texts import window_pooling

        machine = choose(machine_args)
        model = load_trained(self.folder, machine.attention)
        check_length(self.max_length, model)
        pooling = window_pooling(self.truncation, model)
        return inference.predict(model, rows, machine, batch_size, pooling)


def load_trained_model(folder: Path) -> Trained:
    """The classifier in `folder`: one of `steep fit`, or any Hugging Face classifier.

    Raises SteepError where there is none.
    """
    if (folder / runs.MANIFEST).is_file():
        return _fitted(folder)
    find(folder)  # a mistyped one is answered before torch is imported
    from steep.models.checkpoints import PROBLEMS, load_trained

    config = load_trained(folder, "eager").config.to_dict()
    kinds = {problem: kind for kind, problem in PROBLEMS.items()}
    labels = tuple(config["id2label"].values())
    task = Task(kinds.get(config["problem_type"], "single"), labels)
    most = min(MAX_LENGTH, config.get("max_position_embeddings", MAX_LENGTH))
    return Trained(folder, task, TableArgs(), most, TRUNCATION)


def _fitted(folder: Path) -> Trained:
    """What `steep fit` wrote, of this version or one before."""
    made = runs.read_manifest(folder, "fit")["args"]
    described = runs.read_shaped(folder / runs.RESULTS, {"task": TASK})["task"]
    ordered = described.get("ordered", False)
    task = Task(described["kind"], tuple(described["labels"]), ordered=ordered)
    _check_names(folder, task)
    decisions, path = Decisions(), folder / runs.DECISIONS
    if path.is_file():
        decisions = decisions_from_json(runs.read_json(path), task, path)
    source = str(folder / runs.MANIFEST)
    long = kept_options(LongTextArgs, made, source)
    return Trained(
        folder,
        decisions.task(task),
        kept_options(TableArgs, made, source),
        kept_options(LengthArgs, made, source).max_length,
        long.truncation,
        decisions,
        Sliding(long.max_windows),
    )


def _check_names(folder: Path, task: Task) -> None:
    """Raises SteepError where config.json and results.json name other labels."""
    config = runs.read_json(folder / "config.json")
    named = config.get("id2label") if isinstance(config, dict) else None
    if named is None or named == {str(n): label for n, label in enumerate(task.labels)}:
        return
    raise SteepError(
        f"{folder / runs.RESULTS}: the key 'task.labels' names {some(task.labels)}, but "
        f"{folder / 'config.json'} has others, or in another order, under 'id2label'. Put right "
        "the one that is wrong: the order is that of the model's outputs."
    )
