"""How does a classifier train? Phase by phase, lower layers slower; the best epoch is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner

from steep.args import FitArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.metrics.scores import check_metric, primary
from steep.models import inference
from steep.models.devices import Machine
from steep.models.heads import rescale_output
from steep.seeds import derive
from steep.train import engine, phases, reuse, schedules
from steep.train.callbacks import Bar, Scores, StopIfDiverged
from steep.train.losses import Loss
from steep.train.saves import Saves
from steep.train.tracking import Tracking


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and how it got there; `history` holds a dictionary an epoch."""

    learn: Learner
    history: list[dict[str, Any]]
    best_epoch: int
    tokens_per_second: float
    diverged: bool

    def predict(self, corpus: Corpus, machine: Machine) -> np.ndarray:
        """Probabilities (rows, labels), or targets (rows,), in the order of the corpus."""
        like: Rows = self.learn.dls.train_ds
        rows, adapter = like.over(corpus), self.learn.model
        size = 2 * self.learn.dls.train.bs * rows.most
        return inference.predict(adapter.model, rows, machine, size, adapter.joined)


def train(
    learn: Learner,
    data: Data,
    args: FitArgs,
    description: str = "fitting",
    saves: Saves | None = None,
    callbacks: Sequence[Callback] = (),
    scratch: Path | None = None,
    tracking: Tracking | None = None,
) -> Fitted:
    """Fine-tune `learn` on `data`; its weights are then those of the best epoch on validation.

    A training whose loss becomes infinite ends early, with `diverged` set. With `saves`, one that
    was killed goes on. `callbacks` are the user's own, beside those of the training. `scratch` is
    the folder for what is kept on the disk meanwhile, by default that of temporary files.
    `tracking` sends the history on while it grows.
    """
    saves = saves or Saves()
    torch.manual_seed(derive(args.seed, "dropout"))
    task = data.labelled()
    metric = check_metric(task, args.metric) if args.metric else primary(task)
    bar, finite = Bar(description), StopIfDiverged()
    scores = Scores(task, metric, bar)
    lrs = schedules.discriminative(learn, args.learning_rate, args.decay)
    plan = phases.of(args, len(lrs))
    rate = phases.each(plan, schedules.course(args.schedule, args.warmup))
    batches = len(learn.dls.train)
    parts = learn.dls.train.get_idxs.parts
    scheduler = schedules.scheduler(lrs, rate, args.epochs, batches, parts)
    own = [scores, bar, finite, phases.Unfreeze(plan)]
    if frozen := reuse.frozen_layers(learn, args):
        own.append(reuse.Reuse(frozen, saves.once("room", lambda: reuse.room(scratch)), scratch))
    if tracking is not None:
        own.append(tracking.follow(lambda: scores.history))
    engine.run(learn, args.epochs, scheduler, [*own, *callbacks], saves, description)
    return Fitted(
        learn,
        scores.history,
        scores.best_epoch,
        round(bar.tokens / max(bar.seconds, 1e-9), 1),
        finite.diverged,
    )


def notes(learn: Learner, args: FitArgs) -> list[str]:
    """What the user should know of this training before it begins."""
    groups, said = len(learn.splitter(learn.model)), []
    left = phases.never_trained(phases.of(args, groups))
    if args.unfreeze == "gradual" and left:
        said.append(
            f"gradual unfreezing: {args.epochs} epochs reach {groups - left} of {groups} groups of "
            f"layers; the lowest {left} stay frozen (all would train from epoch {groups} on)"
        )
    return said + reuse.notes(learn, args)


def in_own_units(fitted: Fitted) -> None:
    """Make a regression model predict on the scale of its targets, for whoever loads it later."""
    loss: Loss = fitted.learn.loss_func
    if loss.mean:
        rescale_output(fitted.learn.model.model, loss.deviation, loss.mean)
        loss.mean = loss.deviation = ()


def check_finite(fitted: Fitted, args: FitArgs) -> None:
    """Raises SteepError if the training diverged."""
    if fitted.diverged:
        raise SteepError(
            f"the loss became infinite in epoch {len(fitted.history) + 1}; nothing was written. "
            f"Choose a learning_rate below {args.learning_rate:g}."
        )
