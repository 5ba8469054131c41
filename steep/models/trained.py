"""How is a trained classifier loaded, and what does it need to predict? Its folder tells.

torch is imported only where something is computed: a user's mistake is answered before that.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import runs
from steep.args import MachineArgs
from steep.args.kept import kept_options
from steep.args.table import TableArgs
from steep.args.training import LengthArgs, LongTextArgs
from steep.console import say
from steep.data.corpus import Corpus, Task, TaskKind
from steep.data.inputs import SLIDING, Rows, Sliding
from steep.errors import SteepError
from steep.metrics.calibration import Decisions
from steep.models.checkpoint_files import PROBLEMS, check_checkpoint, read_config, stored_labels
from steep.models.hub import CONFIG
from steep.run_shapes import TASK
from steep.shapes import Keyed, Maybe, Number, checked
from steep.wording import brief, quoted, some

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TEMPERATURE = Number(1e-6, 1e6)
THRESHOLD = Number(0, 2)  # where the best is none, it lies above 1
REMEDY = "Fix it, remove the file to go without, or run 'steep fit' again."
MAX_LENGTH, TRUNCATION = 512, "head"  # of classifiers that Steep did not train
OLD_STRIDE = "stride"  # an option of the version before

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
        from steep.models import heads
        from steep.models.devices import choose
        from steep.models.heads import window_pooling

        machine = choose(machine_args)
        model = self.model(rows, machine.attention)
        pooling = window_pooling(self.truncation, model)
        return heads.predict(model, rows, machine, batch_size, pooling)

    def model(self, rows: Rows, attention: str | None) -> "PreTrainedModel":
        """The classifier, to read `rows`; SteepError where it does not suit them."""
        from steep.models.checkpoints import check_length, load_trained
        from steep.models.families import check_tokenizer

        model = load_trained(self.folder, attention)
        check_tokenizer(rows.tokenizer, model)
        check_length(self.max_length, model)
        return model


def load_trained_model(folder: Path) -> Trained:
    """The classifier in `folder`: one of `steep fit`, or any Hugging Face classifier.

    Raises SteepError where there is none.
    """
    if (folder / runs.MANIFEST).is_file():
        return _fitted(folder)
    check_checkpoint(folder)  # a mistake is answered before torch is imported
    from steep.models.checkpoints import load_trained
    from steep.models.families import longest

    most = min(MAX_LENGTH, longest(load_trained(folder, "eager"), MAX_LENGTH))
    return Trained(folder, _task_of(folder), TableArgs(), most, TRUNCATION)


def _task_of(folder: Path) -> Task:
    """What a classifier of others predicts, as `pipeline()` of transformers takes it.

    One output is a probability by itself (a sigmoid), unless `problem_type` says "regression".
    """
    config, path = read_config(folder), folder / CONFIG
    labels, problem = stored_labels(config, path), config.get("problem_type")
    twice = [name for name, times in Counter(labels).items() if times > 1]
    if twice:
        raise SteepError(
            f"{path}: 'id2label' calls two outputs {quoted(twice[0])}. Give each a name of its own."
        )
    known = config.get("label2id")
    numbers = {name: str(number) for number, name in enumerate(labels)}
    if isinstance(known, dict) and {n: str(number) for n, number in known.items()} != numbers:
        say(f"{path}: 'label2id' contradicts 'id2label', by which the outputs are named")
    kinds: dict[str | None, TaskKind] = {problem: kind for kind, problem in PROBLEMS.items()}
    if problem not in (None, *PROBLEMS.values()):
        raise SteepError(
            f"{path}: 'problem_type' must be {' or '.join(PROBLEMS.values())}, not "
            f"{quoted(str(problem))}. Fix it."
        )
    kind = kinds.get(problem, "single")
    if kind == "single" and len(labels) == 1:
        say(f"{path}: one output without 'problem_type': read as a probability (sigmoid)")
        kind = "multi"
    return Task(kind, labels)


def _fitted(folder: Path) -> Trained:
    """What `steep fit` wrote, of this version or one before."""
    made = runs.read_manifest(folder, "fit")["args"]
    described = runs.read_shaped(folder / runs.RESULTS, {"task": TASK})["task"]
    ordered = described.get("ordered", False)
    task = Task(described["kind"], tuple(described["labels"]), ordered=ordered)
    check_checkpoint(folder)
    _check_names(folder, task)
    decisions, path = Decisions(), folder / runs.DECISIONS
    if path.is_file():
        decisions = _decisions(runs.read_json(path), task, path)
    source = str(folder / runs.MANIFEST)
    long = kept_options(LongTextArgs, made, source)
    stride = made.get(OLD_STRIDE)
    if stride and long.truncation.startswith(SLIDING):
        say(
            f"{source}: fitted with a window every {stride} tokens (--stride), an option that is "
            "no more: windows lie at even distances now, so predictions of long texts may differ"
        )
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
    """Raises SteepError where config.json and results.json name other labels, or another task."""
    path, config = folder / CONFIG, read_config(folder)
    if config.get("problem_type") not in (None, PROBLEMS[task.kind]):
        raise SteepError(
            f"{folder / runs.RESULTS}: the key 'task.kind' says {task.kind}, but 'problem_type' of "
            f"{path} is {brief(str(config['problem_type']))}. Put right the one that is wrong."
        )
    named = stored_labels(config, path)
    if named == task.labels:
        return
    raise SteepError(
        f"{folder / runs.RESULTS}: the key 'task.labels' names {some(task.labels)}, but {path} "
        f"names {some(named)}, under 'id2label'. Put right the one that is wrong: the order is "
        "that of the model's outputs."
    )


def _decisions(found: Any, task: Task, source: Path) -> Decisions:
    """The decisions that were saved as `source`; SteepError if they are not of this task."""
    names = task.labels if task.kind == "multi" else task.labels[1:]
    several = isinstance(found, dict) and isinstance(found.get("temperatures"), dict)
    shape = {
        "temperatures": Keyed(task.labels, TEMPERATURE) if several else Maybe(TEMPERATURE),
        "thresholds": Maybe(Keyed(names, THRESHOLD)),
    }
    checked(found, shape, source, REMEDY)
    thresholds, temperatures = found["thresholds"], found["temperatures"]
    if several:
        temperatures = [temperatures[name] for name in task.labels]
    elif temperatures is not None:
        temperatures = [temperatures]
    chosen = [thresholds[name] for name in names] if thresholds else []
    return Decisions(tuple(map(float, temperatures or ())), tuple(map(float, chosen)))
