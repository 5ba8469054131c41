"""How is a summariser trained? Windows of sentences, the mean cross-entropy of each document."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from steep.data.batches import by_length, shuffled
from steep.errors import SteepError
from steep.models.devices import Machine
from steep.seeds import derive
from steep.shelf.summarize import TrainArgs
from steep.shelf.summarize.model import Reader
from steep.shelf.summarize.windows import Windows
from steep.train import engine, phases
from steep.train.callbacks import At, Bar, Epochs, Resumable, gentler
from steep.train.pile import Batch, prebatched
from steep.train.readings import StopIfDiverged
from steep.train.saves import Saves, copied_weights, restore_weights

Judge = Callable[[np.ndarray], dict[str, float]]
"""Scores of all validation sentences, end to end -> what they are worth; "rouge" decides."""


@dataclass(frozen=True)
class Marked:
    """Windows, and which of their sentences, end to end, belong in summaries: bool (sentences,)."""

    windows: Windows
    labels: np.ndarray

    def batch(self, members: np.ndarray) -> Batch:
        """Inputs, whose each token is; labels and weights, float32 (m,).

        A sentence weighs one over those of its document in the window that scores it, else 0.
        """
        windows = self.windows
        laid, (sentences, scored) = windows.laid(members), windows.sentences(members)
        document = np.searchsorted(windows.documents[1:], sentences, side="right")
        weights = scored / np.diff(windows.documents)[document]
        labels = self.labels[sentences]
        given = (laid.inputs, laid.whose, labels.astype(np.float32), weights.astype(np.float32))
        return tuple(map(torch.from_numpy, given))

    def __len__(self) -> int:
        return len(self.windows.spans)


class Training:
    """Epochs of batches of windows, in another order each; `start` is the first of this epoch."""

    n_inp = 2

    def __init__(self, marked: Marked, batch_size: int, seed: int) -> None:
        self.marked, self.batch_size, self.seed = marked, batch_size, seed
        self.epoch, self.start = 0, 0
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        return math.ceil(len(self.marked) / self.batch_size)

    def order(self) -> range:
        """The batches of this epoch that are to come."""
        return range(self.start, len(self))

    def __getitem__(self, index: int) -> Batch:
        if self._order[0] != self.epoch:
            lengths = self.marked.windows.lengths
            self._order = self.epoch, shuffled(lengths, self.batch_size, self.seed, self.epoch)
        first = index * self.batch_size
        return self.marked.batch(self._order[1][first : first + self.batch_size])


class Validation:
    """The windows of the validation documents, in batches that are always the same."""

    def __init__(self, marked: Marked, batch_size: int) -> None:
        order = by_length(marked.windows.lengths)
        self.marked = marked
        self.members = np.split(order, range(batch_size, len(order), batch_size))

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Batch:
        return self.marked.batch(self.members[index])

    def scores(self, outputs: list[np.ndarray]) -> np.ndarray:
        """The outputs of all batches as one score for each sentence, float64 (sentences,)."""
        windows = self.marked.windows
        found = np.zeros(len(windows.tokens))
        for members, given in zip(self.members, outputs, strict=True):
            windows.put(found, members, given)
        return found


def sentence_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean binary cross-entropy of the sentences of a document, mean over documents."""
    logits, labels, weights = (x.as_subclass(Tensor) for x in (logits, labels, weights))
    losses = binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp(min=1e-9)


class SummaryScores(Resumable):
    """Judges the summaries of the validation documents after each epoch; the best one's are kept.

    The loss on validation does not choose the best summaries, so ROUGE does.
    """

    run_train, order = False, At.SCORES
    saved = ("history", "best", "best_epoch", "weights", "seconds")

    def __init__(self, validation: Validation, judge: Judge, bar: Bar) -> None:
        self.validation, self.judge, self.bar = validation, judge, bar
        self.history: list[dict[str, Any]] = []
        self.best, self.best_epoch, self.seconds = -math.inf, 0, 0.0
        self.weights: dict[str, Tensor] = {}

    def before_validate(self) -> None:
        self.started = time.monotonic()
        self.outputs: list[np.ndarray] = []

    def after_pred(self) -> None:
        self.outputs.append(self.pred.detach().double().cpu().numpy())

    def after_validate(self) -> None:
        found = self.judge(self.validation.scores(self.outputs))
        train_loss, valid_loss = (
            float(x.value) for x in (self.recorder.smooth_loss, self.recorder.loss)
        )
        self.seconds += time.monotonic() - self.started
        self.history.append(
            {"epoch": self.epoch + 1, "train_loss": train_loss, "valid_loss": valid_loss}
            | found
            | {"learning_rate": float(self.opt.hypers[-1]["lr"])}
            | {"seconds": round(self.bar.seconds + self.seconds, 2)}
        )
        if found["rouge"] > self.best:
            self.best, self.best_epoch = found["rouge"], self.epoch + 1
            self.weights = copied_weights(self.model)

    def after_fit(self) -> None:
        if self.weights:
            restore_weights(self.weights, self.model)


def summary_learner(
    reader: Reader, train: Marked, valid: Marked, args: TrainArgs, seed: int, machine: Machine
) -> Learner:
    """A `Learner` that trains `reader` on marked windows."""
    size = args.batch.size
    source, held = Training(train, size, seed), Validation(valid, 2 * size)
    dls = DataLoaders(
        prebatched(source, source.order, machine.device),
        prebatched(held, lambda: range(len(held)), machine.device),
        device=machine.device,
    )
    machine.prepare(reader.scorer.model, derive(seed, "dropout"))
    return engine.learner_of(dls, reader.scorer, sentence_loss, args.optimiser, [Epochs(source)])


def train_summaries(
    learn: Learner, judge: Judge, args: TrainArgs, seed: int, saves: Saves | None = None
) -> tuple[list[dict[str, Any]], int]:
    """Train `learn`; its weights are then those of the epoch with the best validation summaries.

    Returns a dictionary an epoch, and this epoch. Raises SteepError if the loss becomes infinite.
    With `saves`, a run that was killed is resumed.
    """
    saves, optimiser, epochs = saves or Saves(), args.optimiser, args.epochs.count
    torch.manual_seed(derive(seed, "dropout"))
    bar, finite = Bar("fitting the summariser"), StopIfDiverged()
    scores = SummaryScores(learn.dls.valid.dataset, judge, bar)
    lrs = phases.discriminative(learn, optimiser.rate, optimiser.layer_decay)
    rate = phases.schedule(args.schedule.schedule, optimiser.warmup_ratio)
    scheduler = phases.scheduler(lrs, rate, epochs, len(learn.dls.train))
    engine.run_fit(learn, epochs, scheduler, bar, [finite, scores], saves)
    if finite.diverged:
        saves.remove()
        raise SteepError(f"the loss became infinite; nothing was written. {gentler(optimiser)}")
    return scores.history, scores.best_epoch
