"""Which learning rate does fastai's `lr_find` suggest? One curve, and what its rule makes of it."""

from dataclasses import dataclass

import torch
from fastai.callback.schedule import valley
from fastai.learner import Learner

from steep.seeds import derive


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

    All layers have the same rate. Afterwards `learn` has its weights back.
    """
    torch.manual_seed(derive(seed, "dropout"))
    with learn.no_bar():
        found = learn.lr_find(start_lr, end_lr, num_it, show_plot=False, suggest_funcs=(valley,))
    losses = [float(loss) for loss in learn.recorder.losses]
    begin = max(1, len(losses) // 10)
    first = sum(losses[:begin]) / begin
    return LrCurve(seed, list(learn.recorder.lrs), losses, found.valley, 1 - min(losses) / first)
