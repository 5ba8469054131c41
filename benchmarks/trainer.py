"""How does Hugging Face's Trainer train in a contest? As its scripts ship it, and at its best.

*stock* is `run_mlm.py` and `run_classification.py` with their defaults: fp32, blocks of 512 tokens
or texts padded to `max_seq_length` (128), the vocabulary head on every position. *best* is what an
experienced user asks of the same Trainer: bf16 where the processor has it, the faster attention, no
padding beyond the longest text of a batch, batches of similar length, blocks as short as Steep's
windows. Both have the fused AdamW, which is the Trainer's default.
"""

from collections import deque
from dataclasses import dataclass
from itertools import chain
from tempfile import TemporaryDirectory
from typing import Any

import datasets
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from benchmarks import heldout, ours
from benchmarks.cases import MLM_PROBABILITY, Job
from benchmarks.contest import Turns
from steep.models.checkpoints import load_classifier, load_tokenizer
from steep.models.masked_lm import load_masked_lm

BLOCK = 512  # run_mlm.py: the tokenizer's model_max_length


@dataclass(frozen=True)
class Entry:
    """A job and the settings of the Trainer for it."""

    job: Job
    stock: bool
    bf16: bool
    attention: str
    compiled: bool = False


class Counted:
    """A collator that remembers how many tokens of text each batch has, in order."""

    def __init__(self, collate: Any, special: list[int]) -> None:
        self.collate, self.special = collate, frozenset(special)
        self.counts: deque[int] = deque()

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self.counts.append(sum(i not in self.special for row in rows for i in row["input_ids"]))
        return self.collate(rows)


class TakeTurns(TrainerCallback):
    """Waits after a step where the turn has ended."""

    def __init__(self, turns: Turns, counted: Counted) -> None:
        self.turns, self.counted = turns, counted

    def on_step_end(self, *_: Any, **__: Any) -> None:
        # The Trainer's loader is a batch ahead, so the counts wait in a queue.
        self.turns.step(self.counted.counts.popleft())


def adapt(entry: Entry, turns: Turns) -> dict[str, Any]:
    """Train the masked language model; the loss it reaches on held-out text."""
    job = entry.job
    lm = load_masked_lm(job.checkpoint, entry.attention, job.seed)
    length = BLOCK if entry.stock else job.case.max_length
    texts = list(chain.from_iterable(ours.documents(job, "train").texts()))
    blocks = in_blocks(texts, lm.tokenizer, length)
    collate = DataCollatorForLanguageModeling(lm.tokenizer, mlm_probability=MLM_PROBABILITY)
    rows = job.case.tokens // length
    _train(entry, lm.model, blocks, Counted(collate, _special(lm.tokenizer)), rows, turns)
    return {"loss": heldout.masked_loss(lm.model, ours.masked_text(job, "valid"))}


def in_blocks(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, length: int
) -> datasets.Dataset:
    """All texts concatenated and cut into blocks of `length`; as in run_mlm.py, no rest is kept."""
    tokenized = tokenizer(texts, return_special_tokens_mask=True)
    whole = {key: list(chain.from_iterable(tokenized[key])) for key in tokenized}
    most = len(whole["input_ids"]) // length * length
    return datasets.Dataset.from_dict(
        {key: [ids[i : i + length] for i in range(0, most, length)] for key, ids in whole.items()}
    )


def fit(entry: Entry, turns: Turns) -> dict[str, Any]:
    """Fine-tune a classifier in one epoch; the loss it reaches on held-out rows."""
    job, case = entry.job, entry.job.case
    data, tokenizer = ours.table(job), load_tokenizer(job.checkpoint)
    model = load_classifier(job.checkpoint, data.labelled(), entry.attention, job.seed)
    texts = list(chain.from_iterable(data.train.texts()))
    padding = "max_length" if entry.stock else False
    columns = tokenizer(texts, padding=padding, truncation=True, max_length=case.max_length)
    lengths = [sum(mask) for mask in columns["attention_mask"]]
    rows = datasets.Dataset.from_dict(
        dict(columns) | {"labels": data.train.labels(), "length": lengths}
    )
    collate = default_data_collator if entry.stock else DataCollatorWithPadding(tokenizer)
    _train(entry, model, rows, Counted(collate, _special(tokenizer)), case.rows, turns)
    return heldout.labelled(model, job.checkpoint, data, case.max_length)


def _special(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id]


def _train(
    entry: Entry,
    model: PreTrainedModel,
    rows: datasets.Dataset,
    collate: Counted,
    batch: int,
    turns: Turns,
) -> None:
    """The real `Trainer.train`, which waits for its turns."""
    set_seed(entry.job.seed)
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            _arguments(entry, folder, batch, "length" in rows.column_names),
            data_collator=collate,
            train_dataset=rows,
            callbacks=[TakeTurns(turns, collate)],
        )
        trainer.remove_callback(PrinterCallback)
        turns.ready()
        trainer.train()


def _arguments(entry: Entry, folder: str, batch: int, ragged: bool) -> TrainingArguments:
    """The defaults, except for what all contestants share and for what makes `best` the best."""
    job = entry.job
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch,
        max_steps=job.steps,
        learning_rate=job.case.learning_rate,
        seed=job.seed,
        use_cpu=job.device == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=job.device != "cpu",
        bf16=entry.bf16,
        torch_compile=entry.compiled,
        train_sampling_strategy="group_by_length" if ragged and not entry.stock else "random",
    )
