"""How is a classifier made, and trained? Phase by phase, lower layers slower; one epoch is kept."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steep.args import TuneArgs
from steep.data import batches
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.launch import here
from steep.metrics.scores import check_metric, primary
from steep.models import heads, hub
from steep.models.checkpoints import check_length, checkpoint_notes, load_classifier, load_tokenizer
from steep.models.devices import (
    Machine,
    checkpoint_gradients,
    checkpointing_notes,
    for_checkpointing,
)
from steep.models.families import (
    check_tokenizer,
    knows_segments,
    reinitialise,
    tokenizer_note,
)
from steep.models.fit_defaults import settled_for
from steep.models.heads import Classifier, rescale_output, window_pooling
from steep.seeds import derive
from steep.train import engine, phases, rows
from steep.train.callbacks import Bar, Epochs, FollowHistory, Scores, gentler
from steep.train.engine import Accumulation, cut_rows
from steep.train.losses import Loss, loss_for
from steep.train.phases import (
    FrozenWithoutDropout,
    Phase,
    Unfreeze,
    head_alone,
    in_every_phase,
    never_trained,
    phases_of,
)
from steep.train.ranks import ShareRows, by_rows, own_parts, sharing
from steep.train.readings import StopIfDiverged, readings_of
from steep.train.session import Hooks

ENOUGH = 500  # validation rows to choose an epoch by: with 20 to 200 the last one was better


def learner(
    data: Data,
    checkpoint: str | Path,
    tune: TuneArgs,
    machine: Machine,
    seed: int,
    base: str | Path | None = None,
) -> Learner:
    """A plain fastai `Learner` that fine-tunes `checkpoint` on `data`.

    `checkpoint` is a Hugging Face folder or hub name, or a folder of `steep adapt`; with `base`,
    the classifier is built from that and the encoder of `checkpoint` grafted in. Everything that
    fastai offers works on it: `lr_find`, `fit_one_cycle`, `freeze_to`, `get_preds` ...

    Options that are not given follow from rows and checkpoint (`models.fit_defaults`). Raises
    SteepError when the checkpoint cannot be loaded or does not fit the data.
    """
    task = data.labelled()
    tune = settled_for(tune, data, checkpoint if base is None else base)
    batches.check_loss(task, tune.loss)
    machine = for_checkpointing(machine, tune.memory)
    model, tokenizer = _classifier(data, checkpoint, tune, machine.attention, seed, base)
    checkpoint_gradients(model, tune.memory)
    loss = loss_for(task, data.train.labels(), tune.loss, data.train.weights())
    dls = rows.loaders(data, tokenizer, tune, seed, machine.device)
    pooling = window_pooling(tune.long_texts.truncation, model)
    prepared = machine.prepare(model, derive(seed, "dropout"))
    learn = engine.learner_of(
        dls,
        Classifier(prepared, machine.autocast, pooling),
        loss,
        tune.optimiser,
        [
            Epochs(dls.train.get_idxs),
            FrozenWithoutDropout(),
            *_accumulating(dls, tune),
            *sharing(seed),
            *([ShareRows()] if here().count > 1 else []),
        ],
    )
    learn.metrics = [loss.rmse if task.kind == "regression" else loss.accuracy]
    return learn


def start_notes(learn: Learner) -> list[str]:
    """What the user should know of the checkpoint that the classifier in `learn` starts from."""
    model: PreTrainedModel = learn.model.model
    data: rows.ShownRows = learn.dls.train_ds
    told = [*checkpoint_notes(model), *tokenizer_note(data.tokenizer, model)]
    if data.segments and not knows_segments(model):
        told.append("the model knows one segment: only a token between them tells pairs apart")
    return told


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and how it got there; `history` holds a dictionary an epoch."""

    learn: Learner
    history: list[dict[str, Any]]
    best_epoch: int
    tokens_per_second: float
    diverged: bool

    def predict(self, corpus: Corpus, machine: Machine) -> np.ndarray:
        """Probabilities (rows, labels), or targets (rows,), in the order of the corpus.

        Where several processes are `together`, each computes its share.
        """
        like, adapter = self.learn.dls.train_ds, self.learn.model
        size = 2 * self.learn.dls.train.bs

        def predict(members: np.ndarray) -> np.ndarray:
            rows: Rows = like.over(corpus if len(members) == len(corpus) else corpus.take(members))
            return heads.predict(adapter.model, rows, machine, size, adapter.window_pooling)

        return by_rows(predict, len(corpus))

    def save(self, folder: Path) -> None:
        """Write the checkpoint, weights and tokenizer, as Hugging Face does.

        Of a checkpoint of sentence-transformers, the folder is one, too.
        """
        model = self.learn.model.model
        model.save_pretrained(folder)
        self.learn.dls.train_ds.tokenizer.save_pretrained(folder)
        hub.carry(Path(model.name_or_path), folder)


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
    readings = readings_of(learn)
    bar, finite = Bar(readings, hooks.description), StopIfDiverged(readings)
    chosen_by = check_metric(task, metric) if metric else primary(task)
    scores = Scores(task, chosen_by, bar, keeps_last(tune, len(data.valid)))
    plan = _phases(learn, tune)
    follow = FollowHistory(hooks.followers, lambda: scores.history)
    own = [scores, finite, Unfreeze(plan), *_kept_features(learn, plan, bar), follow]
    rates = _rates(learn, tune, plan)
    begin(learn, data, tune)
    engine.run_fit(learn, tune.epochs.count, rates, bar, [*own, *hooks.callbacks], hooks.saves)
    return Fitted(
        learn,
        scores.history,
        scores.best_epoch,
        round(bar.tokens / max(bar.seconds, 1e-9), 1),
        finite.diverged,
    )


def begin(learn: Learner, data: Data, tune: TuneArgs) -> None:
    """Give the head of `learn` the weights that its training begins with, by `tune`."""
    if tune.layers.head_init == "prototypes":
        from steep.train.prototypes import begin_as_prototypes

        begin_as_prototypes(learn, data)


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


def _classifier(
    data: Data,
    checkpoint: str | Path,
    tune: TuneArgs,
    attention: str | None,
    seed: int,
    base: str | Path | None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model that is fine-tuned, and its tokenizer; SteepError where they do not fit."""
    tokenizer, pooling = load_tokenizer(checkpoint), tune.layers.pooling
    start, encoder = (checkpoint, None) if base is None else (base, Path(checkpoint))
    model = load_classifier(start, data.labelled(), attention, seed, encoder, pooling)
    check_tokenizer(tokenizer, model)
    if tune.layers.reinit_layers:
        reinitialise(model, tune.layers.reinit_layers, seed)
    check_length(tune.length.max_length, model)
    return model, tokenizer


def _accumulating(dls: rows.TextLoaders, tune: TuneArgs) -> list[Accumulation]:
    """What cuts batches in parts, if that is asked for.

    Also where texts are read in several windows: no part has more windows than a batch of short
    texts would have rows, so that the windows of a text cost time, not memory.
    """
    parts = tune.memory.gradient_accumulation_steps * here().count
    if parts == 1 and dls.train_ds.most == 1:
        return []
    most = -(-tune.batch.size // parts)
    return [Accumulation(own_parts(partial(cut_rows, most=most)))]
