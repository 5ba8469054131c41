"""How does a classifier train? Phase by phase, lower layers slower; the best epoch is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner

from steep.args import TuneArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.metrics.scores import check_metric, primary
from steep.models import inference, sentence_folder
from steep.models.devices import Machine, checkpointing_notes
from steep.models.heads import rescale_output
from steep.seeds import derive
from steep.train import engine, phases
from steep.train.callbacks import Bar, FollowHistory, Scores, StopIfDiverged, gentler
from steep.train.losses import Loss
from steep.train.phases import Phase, Unfreeze, head_alone, in_every_phase, never_trained, phases_of
from steep.train.prototypes import begin_as_prototypes
from steep.train.session import Hooks

ENOUGH = 500  # validation rows to choose an epoch by: with 20 to 200 the last one was better


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
        size = 2 * self.learn.dls.train.bs
        return inference.predict(adapter.model, rows, machine, size, adapter.window_pooling)

    def save(self, folder: Path) -> None:
        """Write the checkpoint, weights and tokenizer, as Hugging Face does.

        Of a checkpoint of sentence-transformers, the folder is one, too.
        """
        model = self.learn.model.model
        model.save_pretrained(folder)
        self.learn.dls.train_ds.tokenizer.save_pretrained(folder)
        sentence_folder.carry(Path(model.name_or_path), folder)


def train(
    learn: Learner,
    data: Data,
    tune: TuneArgs,
    metric: str | None,
    seed: int,
    hooks: Hooks | None = None,
) -> Fitted:
    """Fine-tune `learn` on `data`; its weights are then those of the best epoch on validation.

    `metric` selects that epoch, by default the first one of the task. A training whose loss becomes
    infinite ends early, with `diverged` set.
    """
    hooks = hooks or Hooks()
    torch.manual_seed(derive(seed, "dropout"))  # of torch's own layers; fast ones have a stream
    task = data.labelled()
    bar, finite = Bar(hooks.description), StopIfDiverged()
    chosen_by = check_metric(task, metric) if metric else primary(task)
    scores = Scores(task, chosen_by, bar, keeps_last(tune, len(data.valid)))
    plan = _phases(learn, tune)
    follow = FollowHistory(hooks.followers, lambda: scores.history)
    own = [scores, finite, Unfreeze(plan), *_kept_features(learn, plan, bar), follow]
    rates = _rates(learn, tune, plan)
    if tune.layers.head_init == "prototypes":
        begin_as_prototypes(learn, data)
    engine.run_fit(learn, tune.epochs.count, rates, bar, [*own, *hooks.callbacks], hooks.saves)
    return Fitted(
        learn,
        scores.history,
        scores.best_epoch,
        round(bar.tokens / max(bar.seconds, 1e-9), 1),
        finite.diverged,
    )


def keeps_last(tune: TuneArgs, valid_rows: int) -> bool:
    """Whether the last epoch's weights are kept, not those of the best on so many rows."""
    asked = tune.keep.keep_epoch
    return asked == "last" or (asked == "auto" and valid_rows < ENOUGH)


def notes(learn: Learner, tune: TuneArgs) -> list[str]:
    """What the user should know of this training before it begins."""
    groups, said, plan = len(learn.splitter(learn.model)), [], _phases(learn, tune)
    left, epochs = never_trained(plan), tune.epochs.count
    if tune.layers.unfreeze == "gradual" and left:
        said.append(
            f"gradual unfreezing: {epochs} epochs reach {groups - left} of {groups} groups of "
            f"layers; the lowest {left} stay frozen (all would train from epoch {groups} on)"
        )
    if head_alone(plan, groups) > 1:
        from steep.train.frozen_features import feature_note

        said.append(feature_note(learn))
    return [*said, *checkpointing_notes(learn.model.model, tune.memory)]


def in_own_units(fitted: Fitted) -> None:
    """Make a regression model predict on the scale of its targets, for whoever loads it later."""
    loss: Loss = fitted.learn.loss_func
    # Targets around 0 are learnt well; whoever loads the checkpoint knows nothing of that.
    if loss.mean:
        rescale_output(fitted.learn.model.model, loss.deviation, loss.mean)
        loss.mean = loss.deviation = ()


def check_finite(fitted: Fitted, tune: TuneArgs) -> None:
    """Raises SteepError if the training diverged."""
    if fitted.diverged and not fitted.learn.train_iter:  # nothing was changed yet
        raise SteepError(
            "the loss was infinite before the first step; nothing was written. The checkpoint's "
            "weights are too large to compute with: choose another one, or try --precision fp32."
        )
    if fitted.diverged:
        raise SteepError(
            f"the loss became infinite in epoch {len(fitted.history) + 1}; nothing was written. "
            f"{gentler(tune.optimiser, tune.layers)}"
        )


def _kept_features(learn: Learner, plan: list[Phase], bar: Bar) -> list[Callback]:
    """What computes a frozen encoder once, where the head trains alone for several epochs."""
    alone = head_alone(plan, len(learn.splitter(learn.model)))
    if alone < 2:
        return []
    from steep.train.frozen_features import FrozenFeatures, why_not_kept

    return [] if why_not_kept(learn) else [FrozenFeatures(alone, bar)]


def _phases(learn: Learner, tune: TuneArgs) -> list[Phase]:
    groups, rate = len(learn.splitter(learn.model)), tune.optimiser.rate
    return phases_of(tune.layers, groups, tune.epochs.count, rate)


def _rates(learn: Learner, tune: TuneArgs, plan: list[Phase]) -> ParamScheduler:
    """The schedule, once in every phase; lower layers learn slower."""
    optimiser, batches = tune.optimiser, len(learn.dls.train)
    lrs = phases.discriminative(learn, optimiser.rate, optimiser.layer_decay)
    schedule = phases.schedule(tune.schedule.schedule, optimiser.warmup_ratio)
    return phases.scheduler(lrs, in_every_phase(plan, schedule), tune.epochs.count, batches)
