"""THE seam between fastai and Hugging Face: how are a model and data put into one `Learner`?

Nothing outside `steep.train` imports fastai. Traps that this module avoids are listed, with the
reason for each line, in docs/engine.md; the order of callbacks in `callbacks.At`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401  (adds fit_one_cycle and lr_find)
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steep.args import TuneArgs
from steep.args.training import OptimiserArgs
from steep.data import batches
from steep.data.corpus import Data
from steep.models.checkpoints import check_length, checkpoint_notes, load_classifier, load_tokenizer
from steep.models.devices import Machine, checkpoint_gradients, for_checkpointing
from steep.models.families import (
    check_tokenizer,
    knows_segments,
    layer_groups,
    reinitialise,
    tokenizer_note,
)
from steep.models.fit_defaults import settled_for
from steep.models.heads import Classifier, window_pooling
from steep.seeds import derive
from steep.train import rows
from steep.train.callbacks import Bar, Epochs, PlainLosses
from steep.train.losses import loss_for
from steep.train.optimizer import Accumulation, AdamW, Clip, cut_rows
from steep.train.phases import FrozenWithoutDropout
from steep.train.saves import Saves
from steep.train.session import saving


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
    loss = loss_for(task, data.train.labels(), tune.loss)
    dls = rows.loaders(data, tokenizer, tune, seed, machine.device)
    pooling = window_pooling(tune.long_texts.truncation, model)
    prepared = machine.prepare(model, derive(seed, "dropout"))
    learn = learner_of(
        dls,
        Classifier(prepared, machine.autocast, pooling),
        loss,
        tune.optimiser,
        [Epochs(dls.train.get_idxs), FrozenWithoutDropout(), *_accumulating(dls, tune)],
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


def run_fit(
    learn: Learner,
    epochs: int,
    scheduler: ParamScheduler,
    bar: Bar,
    callbacks: Sequence[Callback],
    saves: Saves | None = None,
) -> None:
    """Train quietly: `bar` and the callbacks given show progress and keep the history.

    With `saves`, a run that was killed is resumed, and a fit that it had finished is left out; it
    is known by the description of its `bar`.
    """
    saves = saves or Saves()
    if bar.description in saves.finished:
        return
    source = next(cb.source for cb in learn.cbs if isinstance(cb, Epochs))
    with learn.no_bar(), learn.no_logging(), saving(saves, bar, source) as keepers:
        learn.fit(epochs, cbs=[scheduler, bar, *callbacks, *keepers])


def _classifier(
    data: Data,
    checkpoint: str | Path,
    tune: TuneArgs,
    attention: str,
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
    parts = tune.memory.gradient_accumulation_steps
    if parts == 1 and dls.train_ds.most == 1:
        return []
    most = -(-tune.batch.size // parts)
    return [Accumulation(partial(cut_rows, most=most))]


def learner_of(
    dls: DataLoaders,
    model: nn.Module,
    loss: Callable[..., Tensor],
    optimiser: OptimiserArgs,
    callbacks: Sequence[Callback],
) -> Learner:
    """A `Learner` of `model`, a module around a Hugging Face one, which is its `model`."""

    def splitter(adapter: Any) -> list[list[nn.Parameter]]:
        groups = layer_groups(adapter.model)
        known = {id(p) for group in groups for p in group}
        # the heads of further tasks, which stand beside `model`, are heads, too
        groups[-1].extend(p for p in adapter.parameters() if id(p) not in known)
        return groups

    return Learner(
        dls,
        model.to(dls.device),
        loss_func=loss,
        opt_func=AdamW,
        lr=optimiser.rate,
        splitter=splitter,
        cbs=[PlainLosses(), Clip(optimiser.max_grad_norm), *callbacks],
        wd=optimiser.weight_decay,
        train_bn=False,  # frozen means frozen: else fastai trains every LayerNorm all the same
        moms=(0.9, 0.9, 0.9),  # BERT's beta1, instead of a cycle
    )
