"""How is a large batch computed in parts? Its gradient is that of the whole, in less memory."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import pad

from steep.train.windows import IGNORED, ROUND

Part = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]  # inputs and labels


class InParts(Callback):
    """Computes every training batch in `parts`: all but the last here, the last by fastai.

    A step of fastai stays a step of the optimiser, so that rates, progress and saves know nothing
    of the parts. (fastai's own GradientAccumulation takes the mean of the means of its batches,
    which is not the mean over all their masked tokens.)
    """

    order, run_valid = 58, False  # after a save has put the random numbers where they were

    def __init__(self, parts: int) -> None:
        self.count = parts

    def before_batch(self) -> None:
        self.whole = self.xb, self.yb
        *first, last = cut(self.xb, self.yb, self.count)
        self.others = sum(_backward(self.learn, part) for part in first)
        self.learn.xb, self.learn.yb = last

    def after_loss(self) -> None:
        self.learn.loss = self.loss + self.others

    def after_batch(self) -> None:
        self.learn.xb, self.learn.yb = self.whole


def backward(learn: Learner, batch: tuple[Tensor, ...], parts: int) -> None:
    """Add the gradient of a batch, as `learn.dls` gives it, in as many parts."""
    for part in cut(batch[: learn.dls.n_inp], batch[learn.dls.n_inp :], parts):
        _backward(learn, part)


def cut(inputs: tuple[Tensor, ...], labels: tuple[Tensor, ...], parts: int) -> list[Part]:
    """A masked batch (see `windows.Pile`) as parts of as many rows, give or take one.

    The labels of each part end with its shares (2,) of the batch's masked tokens and of its
    sentence pairs, by which its mean losses count. A batch of fewer rows has fewer parts; one with
    a part in which nothing is masked, and so without a mean loss, is not cut.
    """
    if parts == 1:
        return [(inputs, labels)]
    rows = len(inputs[0])
    edges = np.linspace(0, rows, min(parts, rows) + 1).astype(int)
    found = [_part(inputs, labels, a, b) for a, b in pairwise(edges)]
    if len(found) == 1 or not all(part[1][-1][0] for part in found):
        return [(inputs, labels)]
    return found


def _part(inputs: tuple[Tensor, ...], labels: tuple[Tensor, ...], start: int, end: int) -> Part:
    """The rows from `start` up to, not with, `end`."""
    (rows, positions), (tokens, *pairs) = inputs, labels
    length = rows.shape[-1]
    real = tokens != IGNORED
    inside = real & (positions >= start * length) & (positions < end * length)
    fill = (0, -int(inside.sum()) % ROUND)
    own = pad(positions[inside] - start * length, fill), pad(tokens[inside], fill, value=IGNORED)
    some = [some[start:end] for some in pairs]
    shares = [_share(inside, real)]
    shares += [_share(s != IGNORED, p != IGNORED) for s, p in zip(some, pairs, strict=True)]
    return (rows[start:end], own[0]), (own[1], *some, torch.stack(shares))


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return part.sum() / whole.sum().clamp(min=1)


def _backward(learn: Learner, part: Part) -> Any:
    inputs, labels = part
    loss = learn.loss_func(learn.model(*inputs), *labels)
    loss.backward()
    return loss.detach()
