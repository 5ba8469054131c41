"""How is the gradient of a large batch accumulated over parts? Exactly, and in less memory.

One way for both stages, and for long texts, whose batches have many more windows than rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import pad

from steep.train.callback_order import At
from steep.train.pile import IGNORED, ROUND

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Part:
    """Some rows of a batch, as inputs and labels.

    The loss of the batch is the sum of the losses of its parts, each times its `share`.
    """

    inputs: Tensors
    labels: Tensors
    share: Tensor | float = 1.0


class Cut(Protocol):
    """Cuts a batch in parts."""

    def __call__(self, inputs: Tensors, labels: Tensors, parts: int) -> list[Part]:
        """The batch as so many parts, or fewer where it cannot be cut."""


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
    """Add the gradient of a batch, as `learn.dls` gives it, in parts if `learn` accumulates."""
    inputs, labels = batch[: learn.dls.n_inp], batch[learn.dls.n_inp :]
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


def cut_masked(inputs: Tensors, labels: Tensors, parts: int) -> list[Part]:
    """A masked batch (see `pile.Pile`) as so many parts of as many rows, give or take one.

    The mean loss of a part counts by its share of the masked tokens. A batch of fewer rows has
    fewer parts; one with a part in which nothing is masked, and so without a mean, is not cut.
    """
    rows = len(inputs[0])
    edges = np.linspace(0, rows, min(parts, rows) + 1).astype(int)
    found = [_masked_part(inputs, labels, a, b) for a, b in pairwise(edges)]
    if len(found) == 1 or not all(part.share for part in found):
        return [Part(inputs, labels)]
    return found


def share_of(part: Tensor, whole: Tensor) -> Tensor:
    """How much of what is true in `whole` is in `part`, as a share, ()."""
    return part.sum() / whole.sum().clamp(min=1)


def _masked_part(inputs: Tensors, labels: Tensors, start: int, end: int) -> Part:
    """The rows from `start` up to, not with, `end`: masked positions are those of the part."""
    (rows, positions), (tokens,) = inputs, labels
    length = rows.shape[-1]
    real = tokens != IGNORED
    inside = real & (positions >= start * length) & (positions < end * length)
    fill = (0, -int(inside.sum()) % ROUND)
    own = pad(positions[inside] - start * length, fill), pad(tokens[inside], fill, value=IGNORED)
    return Part((rows[start:end], own[0]), (own[1],), share_of(inside, real))


def _add_gradient(learn: Learner, part: Part) -> Tensor:
    """Add the gradient of a part to that of the batch; returns what it adds to the loss."""
    loss = learn.loss_func(learn.model(*part.inputs), *part.labels) * part.share
    loss.backward()
    return loss.detach()
