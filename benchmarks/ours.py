"""How does Steep train in a contest? With the Learners and batches of its stages."""

from pathlib import Path
from typing import Any

import datasets
from fastai.callback.core import Callback
from fastai.learner import Learner

from benchmarks import heldout
from benchmarks.cases import MLM_PROBABILITY, Job
from benchmarks.contest import Turns
from benchmarks.heldout import real_tokens
from steep.args import AdaptArgs, FitArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows, frame
from steep.data.load import load, read_texts
from steep.data.tokens import tokenize
from steep.models import kernels
from steep.models.checkpoints import load_tokenizer
from steep.models.devices import choose
from steep.models.masked_lm import MaskedLM, load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import make
from steep.seeds import derive
from steep.train import classify, objective, phases
from steep.train.objective import Objective
from steep.train.pile import Pile, Stream, heldout_batches, loaders


class TakeTurns(Callback):
    """Waits after a step where the turn has ended."""

    order, run_valid = 95, False  # after everything that belongs to a step

    def __init__(self, turns: Turns, special: list[int]) -> None:
        self.turns, self.special = turns, special

    def after_batch(self) -> None:
        ids, mask = self.xb[0][:, 0], self.xb[0][:, 1]
        self.turns.step(real_tokens(ids, mask, self.special))


def adapt(job: Job, turns: Turns) -> dict[str, Any]:
    """Train the masked language model as `steep adapt` does; the loss it reaches on held-out text.

    The head starts from the same weights as the Trainer's, and has the encoder's learning rate.
    """
    args = adapt_args(job)
    learn = masked_learner(job, args)
    turns.ready()
    train_in_turns(learn, args.pretrain.optimiser.rate, turns)
    model = kernels_off(learn)
    return {"loss": heldout.masked_loss(model, masked_text(job, "valid"))}


def masked_learner(job: Job, args: AdaptArgs) -> Learner:
    """The `Learner` of `steep adapt`, for one round of `job.steps` steps."""
    machine, seed = choose(args.machine), args.seed.seed
    lm = load_masked_lm(job.checkpoint, machine.attention, seed)
    pile, tokens = masked_text(job, "train"), args.pretrain.batch.batch_tokens
    spans = pile.spans()
    train = Stream(pile, spans, tokens, job.steps, seed)
    measured = heldout_batches(pile, spans[:1], tokens, seed)
    model = MaskedLM(machine.prepare(lm.model, derive(seed, "dropout")), machine.autocast)
    dls = loaders(train, measured, machine.device)
    return objective.masked_learner(model, dls, args.pretrain, Objective())


def adapt_args(job: Job) -> AdaptArgs:
    """The options of `steep adapt`; where the Trainer's defaults differ, they are the Trainer's."""
    return make(
        AdaptArgs,
        model=job.checkpoint,
        seed=job.seed,
        precision=job.precision,
        device=job.device,
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
    return Pile(tokens, frame(tokenizer), words, job.case.max_length, MLM_PROBABILITY)


def documents(job: Job, part: str) -> Corpus:
    """The text of `train` or `valid`, without labels; the same for every contestant."""
    datasets.config.HF_DATASETS_CACHE = job.folder / "cache"
    return read_texts([job.folder / f"{part}.txt"], adapt_args(job).table.columns)


def fit(job: Job, turns: Turns) -> dict[str, Any]:
    """Fine-tune as `steep fit` does, in one epoch; the loss it reaches on held-out rows."""
    args = fit_args(job)
    learn = classifier_learner(job, args)
    turns.ready()
    train_in_turns(learn, args.tune.optimiser.rate, turns)
    max_length = args.tune.length.max_length
    return heldout.labelled(kernels_off(learn), job.checkpoint, table(job), max_length)


def classifier_learner(job: Job, args: FitArgs) -> Learner:
    """The `Learner` of `steep fit`."""
    machine = choose(args.machine)
    return classify.learner(table(job), job.checkpoint, args.tune, machine, args.seed.seed)


def fit_args(job: Job) -> FitArgs:
    """The options of `steep fit`, likewise."""
    return make(
        FitArgs,
        label="label",
        valid=job.folder / "valid.csv",
        test_share=0.0,
        seed=job.seed,
        precision=job.precision,
        device=job.device,
        plain=job.plain,
        max_length=job.case.max_length,
        batch_size=job.case.rows,
        learning_rate=job.case.learning_rate,
        weight_decay=0.0,
    )


def table(job: Job) -> Data:
    """The labelled rows, the same for every contestant."""
    datasets.config.HF_DATASETS_CACHE = job.folder / "cache"
    args = fit_args(job)
    return load(Path(job.folder / "train.csv"), args.table, args.split)


def classifier_rows(job: Job, corpus: Corpus) -> Rows:
    """The rows as inputs of a classifier."""
    task, tokenizer = table(job).labelled(), load_tokenizer(job.checkpoint)
    return Rows(corpus, task, tokenizer, job.case.max_length)


def kernels_off(learn: Learner) -> Any:
    """The plain Hugging Face model, so that every contestant's loss is measured alike."""
    kernels.remove(learn.model.model)
    return learn.model.model


def train_in_turns(learn: Learner, learning_rate: float, turns: Turns, epochs: int = 1) -> None:
    """Train with the Trainer's own schedule: linear to zero, and one rate for all layers."""
    batches, dataset = len(learn.dls.train), learn.dls.train_ds
    tokenizer_frame = dataset.pile.frame if isinstance(dataset, Stream) else dataset.frame
    special = [tokenizer_frame.pad, *tokenizer_frame.before, *tokenizer_frame.after]
    lrs = phases.discriminative(learn, learning_rate, 1.0)
    scheduler = phases.scheduler(lrs, phases.schedule("linear", 0.0), epochs, batches)
    waiting = TakeTurns(turns, [int(i) for i in special])
    with learn.no_bar(), learn.no_logging():
        learn.fit(epochs, cbs=[scheduler, waiting])
