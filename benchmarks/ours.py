"""How does Steep train in a contest? With the Learners, loaders and schedules of its stages."""

from pathlib import Path
from typing import Any

import datasets
from fastai.callback.core import Callback
from fastai.learner import Learner

from benchmarks import heldout
from benchmarks.cases import MASK_SHARE, Job
from benchmarks.contest import Turns
from benchmarks.heldout import real_tokens
from steep.args import AdaptArgs, FitArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.data.load import load
from steep.data.tables import read_texts
from steep.data.tokens import frame, tokenize
from steep.models import kernels
from steep.models.checkpoints import load_masked_lm, load_tokenizer
from steep.models.devices import choose
from steep.models.heads import MaskedLM
from steep.objectives.masking import vocabulary
from steep.seeds import derive
from steep.train import engine, schedules
from steep.train.windows import Heldout, Pile, Stream, loaders


class TakeTurns(Callback):
    """Waits after a step where the turn has ended."""

    order, run_valid = 95, False

    def __init__(self, turns: Turns, special: list[int]) -> None:
        self.turns, self.special = turns, special

    def after_batch(self) -> None:
        ids, mask = self.xb[0][:, 0], self.xb[0][:, 1]
        self.turns.step(real_tokens(ids, mask, self.special))


def adapt(job: Job, turns: Turns) -> dict[str, Any]:
    """Train the masked language model as `steep adapt` does; the loss it reaches on held-out text.

    The head starts from where the Trainer's starts, and learns at the encoder's rate.
    """
    args = adapt_args(job)
    learn = masked_learner(job, args)
    turns.ready()
    run(learn, args.learning_rate, turns)
    model = kernels_off(learn)
    return {"loss": heldout.masked_loss(model, masked_text(job, "valid"))}


def masked_learner(job: Job, args: AdaptArgs) -> Learner:
    """The `Learner` of `steep adapt`, for one round of `job.steps` steps."""
    machine = choose(args)
    lm = load_masked_lm(job.checkpoint, machine.attention, args.seed)
    pile = masked_text(job, "train")
    spans = pile.spans()
    train = Stream(pile, spans, args.batch_tokens, job.steps, args.seed)
    measured = Heldout(pile, spans[:1], args.batch_tokens, args.seed)
    prepared = machine.prepare(lm.model, derive(args.seed, "dropout"))
    model = MaskedLM(prepared, machine.autocast)
    return engine.masked_learner(model, loaders(train, measured, machine.device), args)


def adapt_args(job: Job) -> AdaptArgs:
    """The options of `steep adapt`; what the Trainer has otherwise by default is as it has it."""
    return AdaptArgs(
        model=str(job.checkpoint),
        seed=job.seed,
        precision=job.precision,  # type: ignore[arg-type]
        device=job.device,  # type: ignore[arg-type]
        plain=job.plain,
        max_length=job.case.max_length,
        batch_tokens=job.case.tokens,
        learning_rate=job.case.learning_rate,
        weight_decay=0.0,
        unit="paragraph",
    )


def masked_text(job: Job, part: str) -> Pile:
    """The windows of `train` or `valid`."""
    tokenizer = load_tokenizer(job.checkpoint)
    tokens, words = tokenize(documents(job, part), tokenizer), vocabulary(tokenizer)
    return Pile(tokens, frame(tokenizer), words, job.case.max_length, MASK_SHARE)


def documents(job: Job, part: str) -> Corpus:
    """The text of `train` or `valid`, without labels; the same for every contestant."""
    datasets.config.HF_DATASETS_CACHE = job.folder / "cache"
    return read_texts([job.folder / f"{part}.txt"], adapt_args(job))


def fit(job: Job, turns: Turns) -> dict[str, Any]:
    """Fine-tune as `steep fit` does, in one pass; the loss it reaches on held-out rows."""
    args = fit_args(job)
    learn = engine.learner(table(job), job.checkpoint, args)
    turns.ready()
    run(learn, args.learning_rate, turns)
    return heldout.labelled(kernels_off(learn), job.checkpoint, table(job), args.max_length)


def fit_args(job: Job) -> FitArgs:
    """The options of `steep fit`, likewise."""
    return FitArgs(
        label="label",
        valid=job.folder / "valid.csv",
        test_share=0.0,
        seed=job.seed,
        precision=job.precision,  # type: ignore[arg-type]
        device=job.device,  # type: ignore[arg-type]
        plain=job.plain,
        max_length=job.case.max_length,
        batch_size=job.case.rows,
        learning_rate=job.case.learning_rate,
        weight_decay=0.0,
    )


def table(job: Job) -> Data:
    """The labelled rows, the same for every contestant."""
    datasets.config.HF_DATASETS_CACHE = job.folder / "cache"
    return load(Path(job.folder / "train.csv"), fit_args(job))


def classifier_rows(job: Job, corpus: Corpus) -> Rows:
    """The rows as a classifier gets them."""
    task, tokenizer = table(job).labelled(), load_tokenizer(job.checkpoint)
    return Rows(corpus, task, tokenizer, job.case.max_length)


def kernels_off(learn: Learner) -> Any:
    """The plain Hugging Face model, to measure every contestant's loss alike."""
    kernels.remove(learn.model.model)
    return learn.model.model


def run(learn: Learner, learning_rate: float, turns: Turns, epochs: int = 1) -> None:
    """Train at the Trainer's own course of the rate: linear to zero, the same for all layers."""
    batches, dataset = len(learn.dls.train), learn.dls.train_ds
    tokenizer_frame = dataset.pile.frame if isinstance(dataset, Stream) else dataset.frame
    special = [tokenizer_frame.pad, *tokenizer_frame.before, *tokenizer_frame.after]
    lrs = schedules.discriminative(learn, learning_rate, 1.0)
    scheduler = schedules.scheduler(lrs, schedules.course("linear", 0.0), epochs, batches)
    engine.run(learn, epochs, scheduler, [TakeTurns(turns, [int(i) for i in special])])
