"""Which learning rate does fastai's `lr_find` suggest? One curve, and what its rule makes of it."""

from dataclasses import dataclass

import torch
from fastai.callback.schedule import valley
from fastai.learner import Learner

from steep.args import LrFindArgs
from steep.seeds import derive


@dataclass(frozen=True)
class Curve:
    """The smoothed loss at each rate, up to the end or until it explodes; what `valley` suggests.

    `fall` is the share of the first loss that is gone at the lowest one.
    """

    seed: int
    rates: list[float]
    losses: list[float]
    suggested: float
    fall: float


def curve(learn: Learner, args: LrFindArgs, seed: int) -> Curve:
    """Train while the rate grows from `args.lowest` to `args.highest` (Smith 2017, section 3.3).

    The weights of `learn` are put back afterwards. All layers get the same rate.
    """
    torch.manual_seed(derive(seed, "dropout"))
    with learn.no_bar():
        found = learn.lr_find(
            args.lowest, args.highest, args.steps, show_plot=False, suggest_funcs=(valley,)
        )
    losses = [float(loss) for loss in learn.recorder.losses]
    begin = max(1, len(losses) // 10)
    first = sum(losses[:begin]) / begin
    return Curve(seed, list(learn.recorder.lrs), losses, found.valley, 1 - min(losses) / first)
