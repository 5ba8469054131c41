"""How is a summariser trained? Windows of sentences, the mean cross-entropy of each document."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from steep.data.batches import by_length
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models.devices import Machine
from steep.seeds import derive
from steep.shelf.summarize import TrainArgs
from steep.shelf.summarize.model import Reader
from steep.shelf.summarize.windows import Windows
from steep.train import engine, phases
from steep.train.callbacks import Bar, Epochs, Scores, gentler
from steep.train.pile import Batch
from steep.train.readings import StopIfDiverged, readings_of
from steep.train.rows import RowOrder
from steep.train.saves import Saves, copied_weights

Judge = Callable[[np.ndarray], dict[str, float]]
"""Scores of all validation sentences, end to end -> what they are worth; "rouge" decides."""
TASK = Task("multi", ("in the summary",))


@dataclass(frozen=True)
class Marked:
    """Windows, and which of their sentences, end to end, belong in summaries: bool (sentences,)."""

    n_inp: ClassVar[int] = 3  # of the five parts of a batch
    windows: Windows
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.windows.spans)

    def __getitem__(self, window: int) -> int:
        """The number of a window: `batch` lays it out beside others."""
        return window

    def batch(self, members: list[int]) -> Batch:
        """Inputs, whose each token is, facts; labels and weights, float32 (m,).

        A sentence weighs one over those of its document in the window that scores it, else 0.
        """
        windows, at = self.windows, np.array(members)
        laid, (sentences, scored) = windows.laid(at), windows.sentences(at)
        document = np.searchsorted(windows.documents[1:], sentences, side="right")
        weights = scored / np.diff(windows.documents)[document]
        labels = self.labels[sentences]
        given = (*laid, labels.astype(np.float32), weights.astype(np.float32))
        return tuple(map(torch.from_numpy, given))


def loader(marked: Marked, batch_size: int, order: Callable[[], list[int]]) -> DataLoader:
    """Batches of windows, in the order that is asked for each time."""
    return DataLoader(
        marked,
        bs=batch_size,
        get_idxs=order,
        create_batch=marked.batch,
        retain=lambda batch, _: batch,
    )


def longest_first(marked: Marked) -> list[int]:
    """The order in which validation windows are scored."""
    return by_length(marked.windows.lengths).tolist()


def sentence_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean binary cross-entropy of the sentences of a document, mean over documents."""
    logits, labels, weights = (x.as_subclass(Tensor) for x in (logits, labels, weights))
    losses = binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp(min=1e-9)


class SummaryScores(Scores):
    """Judges the summaries of the validation documents after each epoch; the best one's are kept.

    The loss on validation does not choose the best summaries, so ROUGE does. `begun` is that of the
    weights before any training, which stay where no epoch is as good: epoch 0.
    """

    def __init__(self, marked: Marked, judge: Judge, begun: float, bar: Bar) -> None:
        super().__init__(TASK, "rouge", bar)
        self.marked, self.judge = marked, judge
        self.best = [begun, -math.inf]

    def before_fit(self) -> None:
        self.weights = copied_weights(self.model)  # a run that is resumed brings its own

    def after_pred(self) -> None:
        self.outputs.append(self.pred.detach().double().cpu())

    def after_validate(self) -> None:
        scores = np.zeros(len(self.marked.labels))
        order, found = np.array(longest_first(self.marked)), torch.cat(self.outputs).numpy()
        self.marked.windows.put(scores, order, found)
        self.note(self.judge(scores))


def summary_learner(
    reader: Reader, train: Marked, valid: Marked, args: TrainArgs, seed: int, machine: Machine
) -> Learner:
    """A `Learner` that trains `reader` on marked windows."""
    size = args.batch.size
    order = RowOrder(train.windows.lengths, size, seed)
    held = loader(valid, 2 * size, lambda: longest_first(valid))
    dls = DataLoaders(loader(train, size, order), held, device=machine.device)
    machine.prepare(reader.scorer.model, derive(seed, "dropout"))
    return engine.learner_of(dls, reader.scorer, sentence_loss, args.optimiser, [Epochs(order)])


def train_summaries(
    learn: Learner,
    judge: Judge,
    begun: float,
    args: TrainArgs,
    seed: int,
    saves: Saves | None = None,
) -> tuple[list[dict[str, Any]], int]:
    """Train `learn`; its weights are then those of the epoch with the best validation summaries.

    `begun` is what those before any training are worth. Returns a dictionary an epoch, and the best
    epoch, 0 where none was as good. Raises SteepError if the loss becomes infinite. With `saves`, a
    run that was killed is resumed.
    """
    saves, optimiser, epochs = saves or Saves(), args.optimiser, args.epochs.count
    torch.manual_seed(derive(seed, "dropout"))
    readings = readings_of(learn)
    bar, finite = Bar(readings, "fitting the summariser"), StopIfDiverged(readings)
    scores = SummaryScores(learn.dls.valid.dataset, judge, begun, bar)
    lrs = phases.discriminative(learn, optimiser.rate, optimiser.layer_decay)
    rate = phases.schedule(args.schedule.schedule, optimiser.warmup_ratio)
    scheduler = phases.scheduler(lrs, rate, epochs, len(learn.dls.train))
    engine.run_fit(learn, epochs, scheduler, bar, [finite, scores], saves)
    if finite.diverged:
        saves.remove()
        raise SteepError(f"the loss became infinite; nothing was written. {gentler(optimiser)}")
    return scores.history, scores.best_epoch
