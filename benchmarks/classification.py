"""How well does Hugging Face's Trainer fine-tune? `run_classification.py` in one function.

Its defaults (fp32, AdamW without decay, a rate that falls in a line, texts cut at their end) but
for what all contestants share. Texts are padded to the longest of their batch, which changes the
time alone. The script keeps the weights of the last epoch; those of the epoch that is best on the
validation rows, as Steep keeps them, come out of the same training.
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

from steep.args import FitArgs
from steep.args.run import RunArgs
from steep.data.corpus import Corpus, Data, Task
from steep.data.inputs import Rows
from steep.metrics.scores import higher_is_better, primary, score
from steep.models import inference
from steep.models.checkpoints import load_classifier, load_tokenizer
from steep.models.devices import choose
from steep.study.cells import Outcome


def fit(data: Data, test: Corpus, args: FitArgs) -> dict[str, Outcome]:
    """What the weights of the "last" and of the "best" epoch find.

    The seconds are those of training and of looking at the validation rows after each epoch.
    """
    assert args.model is not None
    task, tokenizer = data.labelled(), load_tokenizer(args.model)
    model = load_classifier(args.model, task, "sdpa", args.seed)
    look = Look(model, tokenizer, data, test, args)
    set_seed(args.seed)
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            _arguments(args, folder),
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=_rows(data.train, task, tokenizer, args.max_length),
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
            | {"valid": epoch["valid"], "test": score(task, test.labels(), epoch["outputs"])},
            epoch["outputs"],
        )
        for name, epoch in (("last", look.epochs[-1]), ("best", best))
    }


@dataclass
class Look(TrainerCallback):
    """After each epoch, the scores on validation rows and the predictions on test rows."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    data: Data
    test: Corpus
    args: FitArgs
    epochs: list[dict[str, Any]] = field(default_factory=list)
    on_test: float = 0.0  # seconds, which are not the Trainer's own

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        valid = score(self.data.labelled(), self.data.valid.labels(), self._of(self.data.valid))
        started = time.monotonic()
        self.epochs.append({"valid": valid, "outputs": self._of(self.test)})
        self.on_test += time.monotonic() - started

    def _of(self, corpus: Corpus) -> np.ndarray:
        rows = Rows(corpus, self.data.labelled(), self.tokenizer, self.args.max_length)
        machine = choose(RunArgs(precision="fp32", plain=True, device=self.args.device))
        return inference.predict(self.model, rows, machine, 2 * self.args.batch_size)


def _rows(
    corpus: Corpus, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> datasets.Dataset:
    columns = tokenizer(
        list(chain.from_iterable(corpus.texts())), truncation=True, max_length=max_length
    )
    labels = corpus.labels().astype(np.int64 if task.kind == "single" else np.float32)
    return datasets.Dataset.from_dict(dict(columns) | {"labels": labels.tolist()})


def _arguments(args: FitArgs, folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=args.batch_size,
        num_train_epochs=args.epochs,
        learning_rate=args.learning_rate,
        seed=args.seed,
        use_cpu=choose(args).device.type == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=choose(args).device.type != "cpu",
    )
