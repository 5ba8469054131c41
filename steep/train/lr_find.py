"""Which learning rate does fastai's `lr_find` suggest? One curve, and what its rule makes of it."""

import math
from dataclasses import dataclass

import torch
from fastai.callback.schedule import valley
from fastai.learner import Learner

from steep.errors import SteepError
from steep.seeds import derive

TAIL = 5  # steps at the end that fastai does not look at, nor at the first tenth


@dataclass(frozen=True)
class LrCurve:
    """The smoothed loss at each learning rate, until the loss diverges or the rate reaches its end.

    `suggested` is what fastai's rule `valley` picks; `fall` is the share of the first loss by which
    the lowest one is below it.
    """

    seed: int
    rates: list[float]
    losses: list[float]
    suggested: float
    fall: float


def lr_curve(learn: Learner, start_lr: float, end_lr: float, num_it: int, seed: int) -> LrCurve:
    """Train `num_it` steps while the learning rate grows (Smith 2017, section 3.3).

    All layers have the same rate. Afterwards `learn` has its weights back. Raises SteepError where
    the loss diverges before there is a curve.
    """
    torch.manual_seed(derive(seed, "dropout"))
    with learn.no_bar():
        learn.lr_find(start_lr, end_lr, num_it, show_plot=False, suggest_funcs=None)
    losses, rates = [float(loss) for loss in learn.recorder.losses], list(learn.recorder.lrs)
    finite = next((n for n, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
    used = slice(num_it // 10, min(finite, len(losses) - TAIL))
    if not losses[used]:
        raise SteepError(
            f"the loss diverged after {finite} of {num_it} steps, too early for a curve. Choose a "
            f"start_lr far below {start_lr:g}."
        )
    suggested, _ = valley(torch.tensor(rates[used]), torch.tensor(losses[used]), num_it)
    begin = max(1, finite // 10)
    first = sum(losses[:begin]) / begin
    return LrCurve(seed, rates, losses, suggested, 1 - min(losses[:finite]) / first)
