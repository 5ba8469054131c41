"""THE seam between fastai and Hugging Face: how are a model and data put into one `Learner`?

Nothing outside `steep.train` imports fastai. Traps that this module avoids are listed, with the
reason for each line, in docs/engine.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401  (adds fit_one_cycle and lr_find)
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steep.args import AdaptArgs, FitArgs, MultitaskArgs
from steep.data import weights
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models import kernels
from steep.models.checkpoints import check_length, load_classifier, load_tokenizer
from steep.models.devices import choose
from steep.models.families import check_tokenizer
from steep.models.heads import Classifier, MaskedLM, Shared
from steep.models.layers import layer_groups
from steep.models.reinit import reinitialise
from steep.models.windows import joining
from steep.seeds import derive
from steep.train import rows, windows
from steep.train.callbacks import Accumulate, Epochs, PlainLosses
from steep.train.checkpoints import saving
from steep.train.losses import loss_for
from steep.train.optimizer import AdamW, Clip
from steep.train.parts import InParts
from steep.train.phases import StillIfFrozen
from steep.train.saves import Saves


def learner(
    data: Data, checkpoint: str | Path, args: FitArgs | None = None, base: str | Path | None = None
) -> Learner:
    """A plain fastai `Learner` that fine-tunes `checkpoint` on `data`.

    `checkpoint` is a Hugging Face folder or hub name, or a folder of `steep.adapt`; with `base`,
    the classifier is built from that and the encoder of `checkpoint` grafted in. Everything that
    fastai offers works on it: `lr_find`, `fit_one_cycle`, `freeze_to`, `get_preds` ...

    Raises SteepError when the checkpoint cannot be loaded or does not fit the data.
    """
    args, task = args or FitArgs(), data.labelled()
    weights.check(task, args)
    machine, tokenizer = choose(args), load_tokenizer(checkpoint)
    encoder = Path(checkpoint) if base is not None else None
    start, attention = base or checkpoint, machine.attention
    model = load_classifier(start, task, attention, args.seed, encoder, args.pooling)
    check_tokenizer(tokenizer, model)
    if args.reinit:
        reinitialise(model, args.reinit, args.seed)
    check_length(args.max_length, model)
    if args.batch_size % args.accumulate:
        raise SteepError(
            f"batch_size {args.batch_size} cannot be computed in {args.accumulate} equal parts. "
            "Choose a batch_size that accumulate divides."
        )
    loss = loss_for(task, data.train.labels(), args)
    dls = rows.loaders(data, tokenizer, args, machine.device)
    callbacks = [Epochs(dls.train.get_idxs), Clip(args.clip), StillIfFrozen()]
    if dls.train.get_idxs.parts > 1:
        callbacks.append(Accumulate(args.batch_size, len(dls.train_ds)))
    prepared = machine.prepare(model, derive(args.seed, "dropout"))
    return _learner(
        dls,
        Classifier(prepared, machine.autocast, joining(args.truncation, model)),
        loss,
        args.learning_rate,
        args.weight_decay,
        callbacks,
        [loss.rmse if task.kind == "regression" else loss.accuracy],
    )


def masked_loss(logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> Tensor:
    """Mean cross entropy of the masked positions, in fp32; on a CPU without fp32 logits.

    Of a part of a batch it counts by its share (see `parts.cut`).
    """
    if logits.device.type == "cpu":
        loss = kernels.cross_entropy(logits, labels, windows.IGNORED)
    else:
        loss = cross_entropy(logits.float(), labels, ignore_index=windows.IGNORED)
    return loss if shares is None else loss * shares[0]


def pretraining_loss(
    logits: tuple[Tensor, Tensor],
    labels: Tensor,
    pair_labels: Tensor,
    shares: Tensor | None = None,
) -> Tensor:
    """The masked loss and that of the sentence pairs, summed as in BERT; rows without count not."""
    masked, pairs = logits
    count = (pair_labels != windows.IGNORED).sum().clamp(min=1)
    total = cross_entropy(pairs.float(), pair_labels, ignore_index=windows.IGNORED, reduction="sum")
    share = 1 if shares is None else shares[1]
    return masked_loss(masked, labels, shares) + share * total / count


def masked_learner(model: MaskedLM, dls: DataLoaders, args: AdaptArgs) -> Learner:
    """A `Learner` that trains a masked language model on the batches of `windows.loaders`."""
    callbacks = [Epochs(dls.train.dataset), Clip(args.clip)]
    if args.accumulate > 1:
        callbacks.append(InParts(args.accumulate))
    return _learner(
        dls,
        model,
        masked_loss if model.pair_logits is None else pretraining_loss,
        args.learning_rate,
        args.weight_decay,
        callbacks,
    )


def shared_learner(
    model: Shared, dls: DataLoaders, loss: Callable[..., Tensor], args: MultitaskArgs
) -> Learner:
    """A `Learner` that trains one encoder on the batches of `mixture.loaders`."""
    callbacks = [Epochs(dls.train.dataset), Clip(args.clip)]
    return _learner(dls, model, loss, args.learning_rate, args.weight_decay, callbacks)


def run(
    learn: Learner,
    epochs: int,
    scheduler: Callback,
    callbacks: list[Callback],
    saves: Saves | None = None,
    phase: str = "training",
) -> None:
    """Train quietly: the callbacks given show progress and keep the history.

    With `saves`, a run that was killed goes on, and a phase that it had finished is left out.
    """
    saves = saves or Saves()
    if phase in saves.finished:
        return
    with learn.no_bar(), learn.no_logging(), saving(saves, phase) as keepers:
        learn.fit(epochs, cbs=[scheduler, *callbacks, *keepers])


def _learner(
    dls: DataLoaders,
    model: Classifier | MaskedLM | Shared,
    loss: Callable[..., Tensor],
    lr: float,
    wd: float,
    callbacks: list[Callback],
    metrics: list[Callable[..., Any]] | None = None,
) -> Learner:
    def splitter(adapter: Classifier | MaskedLM | Shared) -> list[list[nn.Parameter]]:
        groups = layer_groups(adapter.model)
        known = {id(p) for group in groups for p in group}
        groups[-1].extend(p for p in adapter.parameters() if id(p) not in known)
        return groups

    return Learner(
        dls,
        model.to(dls.device),
        loss_func=loss,
        opt_func=AdamW,
        lr=lr,
        splitter=splitter,
        cbs=[PlainLosses(), *callbacks],
        metrics=metrics,
        wd=wd,
        train_bn=False,  # frozen means frozen: fastai would go on training every LayerNorm
        moms=(0.9, 0.9, 0.9),  # BERT's beta1, instead of a cycle
    )
