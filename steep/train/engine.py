"""THE seam between fastai and Hugging Face: how does a `Learner` train, a batch become a step?

Its gradient, over parts if need be, is clipped, then AdamW moves the weights: one way for both
stages, and for long texts, whose batches have many more windows than rows.
Nothing outside `steep.train` imports fastai. Traps that this module avoids are listed, with the
reason for each line, in docs/engine.md; the order of callbacks in `callbacks.At`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401  (adds fit_one_cycle and lr_find)
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import Optimizer
from torch import Tensor, nn
from torch.optim.adamw import adamw

from steep.args.training import OptimiserArgs
from steep.models.families import (
    layer_groups,
)
from steep.train.callbacks import At, Bar, Epochs
from steep.train.readings import Readings
from steep.train.saves import Saves
from steep.train.scaling import LossScale, scaled
from steep.train.session import saving


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


def learner_of(
    dls: DataLoaders,
    model: nn.Module,
    loss: Callable[..., Tensor],
    optimiser: OptimiserArgs,
    callbacks: Sequence[Callback],
) -> Learner:
    """A `Learner` of `model`, a module around a Hugging Face one, which is its `model`.

    Its `autocast` says what torch casts to; with fp16, losses are scaled.
    """

    def splitter(adapter: Any) -> list[list[nn.Parameter]]:
        groups = layer_groups(adapter.model)
        known = {id(p) for group in groups for p in group}
        # the heads of further tasks, which stand beside `model`, are heads, too
        groups[-1].extend(p for p in adapter.parameters() if id(p) not in known)
        return groups

    scaling = [LossScale()] if model.autocast == torch.float16 else []
    return Learner(
        dls,
        model.to(dls.device),
        loss_func=loss,
        opt_func=AdamW,
        lr=optimiser.rate,
        splitter=splitter,
        cbs=[Readings(), Clip(optimiser.max_grad_norm), *scaling, *callbacks],
        wd=optimiser.weight_decay,
        train_bn=False,  # frozen means frozen: else fastai trains every LayerNorm all the same
        moms=(0.9, 0.9, 0.9),  # BERT's beta1, instead of a cycle
    )


class AdamW(Optimizer):
    """AdamW (Loshchilov & Hutter 2019) with the constants of BERT: betas .9 and .999, eps 1e-8.

    `params` is a list of layer groups. A fastai optimiser rather than a wrapped torch one, since
    only those honour `wd_bn_bias=False`: no decay on biases and norms.
    """

    scale: Tensor | None = None
    """What the gradients of the next step are divided by, within it; set by `Clip`."""
    loss_scale: Tensor | None = None
    """What losses are multiplied by, in fp16; set by `LossScale`."""
    skip: Tensor | None = None
    """1 where the next step is not to be taken, else 0: nobody waits for the device to know."""

    def __init__(self, params: Iterable, lr: float, wd: float = 0.01) -> None:
        super().__init__(params, [], lr=lr, mom=0.9, sqr_mom=0.999, eps=1e-8, wd=wd)

    def zero_grad(self) -> None:
        """Drop the gradients. (Zeroed ones are written, and read again by the next backward.)"""
        self.skip = None
        for p, *_ in self.all_params(with_grad=True):
            p.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step of all parameters that have a gradient, in place, group by group."""
        for group, hyper in zip(self.param_lists, self.hypers, strict=True):
            moving = [p for p in group if p.requires_grad and p.grad is not None]
            for decays in (True, False):
                some = [p for p in moving if self.state[p].get("do_wd", True) is decays]
                self._move(some, hyper, hyper["wd"] if decays else 0.0)
        self.scale = None

    def _move(self, params: list[Tensor], hyper: dict[str, float], decay: float) -> None:
        states = [self._state(p) for p in params]
        adamw(
            params,
            [p.grad for p in params],  # type: ignore[misc]  # they have one
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["steps"] for state in states],
            fused=True,
            grad_scale=self.scale,
            found_inf=self.skip,
            amsgrad=False,
            beta1=hyper["mom"],
            beta2=hyper["sqr_mom"],
            lr=hyper["lr"],
            weight_decay=decay,
            eps=hyper["eps"],
            maximize=False,
        )

    def _state(self, p: Tensor) -> dict[str, Tensor]:
        """The moments of a parameter: float32 (its shape), and how many steps it has made."""
        state = self.state[p]
        if "mean" not in state:
            state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
            state["steps"] = torch.zeros((), dtype=torch.float32, device=p.device)
        return state


class Clip(Callback):
    """Bounds the norm of the gradient by `most`, as `clip_grad_norm_` does.

    The optimiser divides within its own pass over the gradients, which saves one over memory.
    """

    order, run_valid = At.CLIP, False

    def __init__(self, most: float) -> None:
        self.most = most

    def before_step(self) -> None:
        params = chain.from_iterable(self.opt.param_lists)
        grads = [p.grad for p in params if p.grad is not None]
        norm = nn.utils.get_total_norm(grads)
        if (scale := self.opt.loss_scale) is not None:
            norm = norm / scale
            infinite = 1 - torch.isfinite(norm).float()
            self.opt.skip = infinite if self.opt.skip is None else infinite.maximum(self.opt.skip)
        self.opt.scale = scaled((norm / self.most).clamp(min=1), scale)


Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Part:
    """Some rows of a batch, as inputs and labels.

    The loss of the batch is the sum of the losses of its parts, each times its `share`.
    """

    inputs: Tensors
    labels: Tensors
    share: Tensor | float = 1.0


# Cuts the inputs and labels of a batch in so many parts, or fewer where it cannot be cut.
Cut = Callable[[Tensors, Tensors, int], list[Part]]


class Accumulation(Callback):
    """Computes every training batch in parts: all but the last here, the last by fastai.

    A step of fastai stays a step of the optimiser, so that rates, progress and saves know nothing
    of the parts. (fastai's own GradientAccumulation makes them batches: it takes the mean of their
    means, which is not the mean over all their rows or masked tokens, and carries the rest of an
    epoch over into the next.)
    """

    order, run_valid = At.ACCUMULATION, False

    def __init__(self, cut: Callable[[Tensors, Tensors], list[Part]]) -> None:
        self.cut = cut

    def before_batch(self) -> None:
        self.whole = self.xb, self.yb
        # fastai computes the last part, and makes the one step for all.
        *first, last = self.cut(self.xb, self.yb)
        self.others = sum(_add_gradient(self.learn, part) for part in first)
        self.share = last.share
        self.learn.xb, self.learn.yb = last.inputs, last.labels

    def after_loss(self) -> None:
        self.learn.loss_grad = self.loss_grad * self.share
        self.learn.loss = self.loss_grad.detach() + self.others  # what is recorded: of the batch

    def after_batch(self) -> None:
        self.learn.xb, self.learn.yb = self.whole


def add_gradient(learn: Learner, batch: Tensors) -> None:
    """Add the gradient of a batch, as `learn.dls` gives it, in parts if `learn` accumulates.

    Plain tensors are given to the model, as a `Learner` does: fastai's own forbid what gradient
    checkpointing does to the embeddings.
    """
    plain = tuple(part.as_subclass(Tensor) for part in batch)
    inputs, labels = plain[: learn.dls.n_inp], plain[learn.dls.n_inp :]
    cuts = [callback.cut for callback in learn.cbs if isinstance(callback, Accumulation)]
    for part in cuts[0](inputs, labels) if cuts else [Part(inputs, labels)]:
        _add_gradient(learn, part)


def cut_rows(inputs: Tensors, labels: Tensors, most: int) -> list[Part]:
    """A batch of texts (see `rows.ShownRows`) as parts of at most `most` texts, or windows of them.

    A text that has more windows than that is a part of its own. The mean loss of a part counts by
    its share of the rows, also where rows have weights: a mean over rows includes these.
    """
    (texts,) = inputs
    rows = len(texts)
    windows = texts[:, :, 1].any(-1).sum(1).tolist() if texts.ndim == 4 else [1] * rows
    edges, inside = [0], 0
    for row, count in enumerate(windows):
        if inside and inside + count > most:
            edges.append(row)
            inside = 0
        inside += count
    return [
        Part((texts[a:b],), tuple(some[a:b] for some in labels), (b - a) / rows)
        for a, b in pairwise([*edges, rows])
    ]


def _add_gradient(learn: Learner, part: Part) -> Tensor:
    """Add the gradient of a part to that of the batch; returns what it adds to the loss."""
    loss = learn.loss_func(learn.model(*part.inputs), *part.labels) * part.share
    scaled(loss, learn.opt.loss_scale if learn.opt else None).backward()
    return loss.detach()
