"""Which cases are measured? Stage, size of the model, length of the texts; and each case's files.

The text is real: the film reviews that come with Steep. Sentences (about 25 tokens) have labels;
longer texts are several sentences of one label, in the order of the file. adapt reads whole
reviews, without labels.
"""

import csv
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining, PreTrainedTokenizerBase

from steep.models.checkpoints import load_tokenizer
from steep.models.masked_lm import load_masked_lm
from steep.stages.demo import checkpoint, unpack

MLM_PROBABILITY = 0.15
VALID_ROWS = 64
HELDOUT_REVIEWS = 10
MIXED = (1, 4, 2, 16, 1, 8)  # sentences of texts of mixed lengths, in turn
SHORT_REVIEW = 500  # tokens; most reviews are longer, so the text suffices for one pass
SHAPES = {  # hidden size, layers, heads, feed-forward size
    "minilm": (384, 6, 12, 1536),
    "base": (768, 12, 12, 3072),
    "small": (128, 2, 2, 512),
    "tiny": (64, 2, 2, 128),
}


@dataclass(frozen=True)
class Case:
    """One contest. `steps` and `rows` are the defaults for a model of this size."""

    name: str
    stage: str  # adapt, fit or predict
    size: str  # of SHAPES; "minilm" is the real checkpoint, the others have random weights
    sentences: int  # joined to one text; 0: whole reviews in adapt, in fit 1 to 16 in turn
    max_length: int
    rows: int  # texts in a step; in adapt, windows of max_length
    steps: int  # in a turn
    learning_rate: float = 1e-4

    @property
    def tokens(self) -> int:
        """Tokens in a step of adapt, padding included."""
        return self.rows * self.max_length


_ALL = (
    Case("adapt-128", "adapt", "minilm", 0, 128, 32, 5),
    Case("fit-25", "fit", "minilm", 1, 128, 32, 10),
    Case("fit-120", "fit", "minilm", 4, 128, 32, 6),
    Case("fit-512", "fit", "minilm", 20, 512, 8, 6),
    Case("predict-25", "predict", "minilm", 1, 128, 2048, 1),
    Case("predict-120", "predict", "minilm", 4, 128, 512, 1),
    Case("predict-512", "predict", "minilm", 20, 512, 128, 1),
    Case("base-adapt-128", "adapt", "base", 0, 128, 16, 2),
    Case("base-fit-25", "fit", "base", 1, 128, 32, 2, 2e-5),
    Case("base-fit-120", "fit", "base", 4, 128, 16, 2, 2e-5),
    Case("base-fit-512", "fit", "base", 20, 512, 4, 2, 2e-5),
    Case("base-fit-mixed", "fit", "base", 0, 512, 32, 10, 2e-5),
    Case("base-predict-120", "predict", "base", 4, 128, 64, 1),
)
CASES = {case.name: case for case in _ALL}
SHORT = ("adapt-128", "fit-25", "predict-25")
GPU = ("base-fit-mixed", "base-adapt-128")


@dataclass(frozen=True)
class Job:
    """What a contestant is given; `steps` is their number in all turns together."""

    case: Case
    folder: Path
    steps: int
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    plain: bool = False  # Steep with Hugging Face's own layers

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"


def prepare(job: Job) -> Job:
    """`job` with its files in place: checkpoint, train and valid (csv or txt)."""
    job.folder.mkdir(parents=True, exist_ok=True)
    if not (job.checkpoint / "config.json").is_file():
        _make_checkpoint(job)
    material = unpack(job.folder / "reviews")
    if job.case.stage == "adapt":
        reviews = material.unlabelled.read_text(encoding="utf-8").split("\n\n")
        enough = math.ceil(job.steps * job.case.tokens / SHORT_REVIEW)
        write_text(job.folder / "train.txt", reviews[:-HELDOUT_REVIEWS][:enough])
        write_text(job.folder / "valid.txt", reviews[-HELDOUT_REVIEWS:])
        return job
    rows = texts(material.reviews, job.case.sentences)
    count = job.case.rows * (1 if job.case.stage == "predict" else job.steps)
    if len(rows) < count + VALID_ROWS:
        most = (len(rows) - VALID_ROWS) // job.case.rows
        raise SystemExit(f"{job.case.name}: the bundled text suffices for {most} steps at most.")
    _write_table(job.folder / "valid.csv", rows[:VALID_ROWS])
    _write_table(job.folder / "train.csv", rows[VALID_ROWS : VALID_ROWS + count])
    return job


def _make_checkpoint(job: Job) -> None:
    """A checkpoint with pooler and masked-LM head, from which every contestant starts."""
    real = checkpoint(install=False)
    if job.case.size == "minilm":
        load_masked_lm(real, "sdpa", seed=0).save(job.checkpoint)
        return
    tokenizer = load_tokenizer(real)
    torch.manual_seed(0)
    BertForPreTraining(shape(job.case.size, tokenizer)).save_pretrained(job.checkpoint)
    tokenizer.save_pretrained(job.checkpoint)


def shape(size: str, tokenizer: PreTrainedTokenizerBase) -> BertConfig:
    """The configuration of a BERT of this size."""
    hidden, layers, heads, between = SHAPES[size]
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=between,
    )


def texts(path: Path, sentences: int) -> list[tuple[str, str]]:
    """(text, label), labels mixed; each text is `sentences` sentences of its label, 0: `MIXED`."""
    waiting: dict[str, list[str]] = defaultdict(list)
    sizes = cycle((sentences,) if sentences else MIXED)
    wanted: dict[str, int] = defaultdict(lambda: next(sizes))
    texts = []
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            waiting[row["label"]].append(row["text"])
            if len(waiting[row["label"]]) == wanted[row["label"]]:
                texts.append((" ".join(waiting.pop(row["label"])), row["label"]))
                del wanted[row["label"]]
    return texts


def _write_table(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])


def write_text(path: Path, documents: list[str]) -> None:
    """Write documents with a blank line between them."""
    path.write_text("\n\n".join(document.strip() for document in documents), encoding="utf-8")


def operations(case: Case, length: float) -> float:
    """Floating-point operations that one token needs, in matrix products alone.

    `length` is the mean number of tokens in a text. Training counts three times the forward pass;
    the vocabulary head counts for the masked tokens only.
    """
    hidden, layers, _, between = SHAPES[case.size]
    forward = layers * (2 * (4 * hidden**2 + 2 * hidden * between) + 4 * length * hidden)
    if case.stage == "adapt":
        forward += MLM_PROBABILITY * 2 * hidden * (hidden + 30_522)
    return forward * (1 if case.stage == "predict" else 3)


def shrunk(case: Case, size: str | None, steps: int | None, rows: int | None) -> Case:
    """`case` with another size of model, steps in a turn, or texts in a step."""
    return replace(case, size=size or case.size, steps=steps or case.steps, rows=rows or case.rows)
