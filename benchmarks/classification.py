"""How well does Hugging Face's Trainer fine-tune? `run_classification.py` in one function.

It has that script's defaults (fp32, AdamW without weight decay, a linear schedule, texts truncated
at the end), except for what all contestants share. Texts are padded to the longest of their batch,
which changes only the time. The script keeps the weights of the last epoch; those of the epoch that
is best on the validation rows, which Steep keeps, are taken from the same training.
"""

import time
from dataclasses import dataclass, field
from itertools import chain
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import numpy as np
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from steep.args import MachineArgs
from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.metrics.scores import higher_is_better, primary, score
from steep.models import heads
from steep.models.checkpoints import load_classifier, load_tokenizer
from steep.models.devices import choose
from steep.study.arms import CellInput
from steep.study.cells import Outcome


def fit(cell: CellInput) -> dict[str, Outcome]:
    """What the weights of the "last" and of the "best" epoch find.

    The seconds are those of training, and of predicting the validation rows after each epoch.
    """
    task, tokenizer = cell.data.labelled(), load_tokenizer(cell.base)
    model = load_classifier(cell.base, task, "sdpa", cell.seed)
    look = Look(model, tokenizer, cell)
    set_seed(cell.seed)
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            _arguments(cell, folder),
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=_rows(cell.data.train, task, tokenizer, cell.tune.length.max_length),
            callbacks=[look],
        )
        trainer.remove_callback(PrinterCallback)
        started = time.monotonic()
        trainer.train()
        seconds = round(time.monotonic() - started - look.on_test, 2)
    metric = primary(task)
    sign = 1 if higher_is_better(metric) else -1
    best = max(look.epochs, key=lambda epoch: sign * epoch["valid"].get(metric, -sign * np.inf))
    return {
        name: Outcome(
            {"seconds": seconds, "diverged": not np.isfinite(epoch["outputs"]).all()}
            | {"valid": epoch["valid"], "test": score(task, cell.test.labels(), epoch["outputs"])},
            epoch["outputs"],
        )
        for name, epoch in (("last", look.epochs[-1]), ("best", best))
    }


@dataclass
class Look(TrainerCallback):
    """After each epoch, the scores on validation rows and the predictions on test rows."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    cell: CellInput
    epochs: list[dict[str, Any]] = field(default_factory=list)
    on_test: float = 0.0  # seconds, which are not counted as the Trainer's

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        data = self.cell.data
        valid = score(data.labelled(), data.valid.labels(), self._predict(data.valid))
        started = time.monotonic()
        self.epochs.append({"valid": valid, "outputs": self._predict(self.cell.test)})
        self.on_test += time.monotonic() - started

    def _predict(self, corpus: Corpus) -> np.ndarray:
        cell, tune = self.cell, self.cell.tune
        rows = Rows(corpus, cell.data.labelled(), self.tokenizer, tune.length.max_length)
        device = cell.machine.device
        machine = choose(MachineArgs(precision="fp32", plain=True, device=device))
        return heads.predict(self.model, rows, machine, 2 * tune.batch.size)


def _rows(
    corpus: Corpus, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> datasets.Dataset:
    columns = tokenizer(
        list(chain.from_iterable(corpus.texts())), truncation=True, max_length=max_length
    )
    labels = corpus.labels().astype(np.int64 if task.kind == "single" else np.float32)
    return datasets.Dataset.from_dict(dict(columns) | {"labels": labels.tolist()})


def _arguments(cell: CellInput, folder: str) -> TrainingArguments:
    tune, on_cpu = cell.tune, choose(cell.machine).device.type == "cpu"
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=tune.batch.size,
        num_train_epochs=tune.epochs.count,
        learning_rate=tune.optimiser.rate,
        seed=cell.seed,
        use_cpu=on_cpu,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
    )
