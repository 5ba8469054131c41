"""Which layers train in which epoch, and how fast? Phases, layer-wise rates, and schedules."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner
from torch import nn

from steep.args.training import LayerArgs
from steep.errors import SteepError
from steep.train.callbacks import At


@dataclass(frozen=True)
class Phase:
    """`epochs` in which the layer groups from `first` up to, not with, `end` train, and no other.

    Group 0 holds the embeddings, the last one the head (see `models.layers`). Their learning rates
    are `scale` times what they would be.
    """

    epochs: int
    first: int
    end: int
    scale: float = 1.0


def phases_of(layers: LayerArgs, groups: int, epochs: int, learning_rate: float) -> list[Phase]:
    """The phases that the options ask for, in a training of `epochs` epochs of `groups` groups.

    With head_epochs: the head alone, at a rate of its own, then all, as "linear probing, then
    fine-tuning" of Kumar et al. 2022, which distorts the encoder least. Raises SteepError if the
    options do not go together.
    """
    if not layers.head_epochs:
        return unfreezing(layers.unfreeze, epochs, groups)
    if layers.unfreeze != "none":
        raise SteepError(f"head_epochs goes with unfreeze none, not with {layers.unfreeze}.")
    if layers.head_epochs >= epochs:
        raise SteepError(
            f"head_epochs {layers.head_epochs} leaves none of the {epochs} epochs for the rest; "
            f"give --epochs {layers.head_epochs + 1} or more (or --unfreeze never)."
        )
    scale = layers.head_learning_rate / learning_rate if learning_rate else 1.0
    alone = Phase(layers.head_epochs, groups - 1, groups, scale)
    return [alone, *unfreezing("none", epochs - layers.head_epochs, groups)]


def unfreezing(unfreeze: str, epochs: int, groups: int) -> list[Phase]:
    """The phases of a training of `epochs` epochs.

    gradual: ULMFiT section 3.3; the head alone first, one group more an epoch, from the top; the
    last phase has what is left of the epochs. chain-thaw: Felbo et al. 2017, section 3.2; the head,
    each group alone from the bottom, then all. Raises SteepError if there are too few epochs.
    """
    if unfreeze == "none":
        return [Phase(epochs, 0, groups)]
    if unfreeze == "never":
        return [Phase(epochs, groups - 1, groups)]
    if unfreeze == "gradual":
        steps = [(first, groups) for first in range(groups - 1, -1, -1)][:epochs]
    else:
        alone = [(group, group + 1) for group in range(groups - 1)]
        steps = [(groups - 1, groups), *alone, (0, groups)]
        if epochs < len(steps):
            raise SteepError(
                f"unfreeze chain-thaw: epochs must be at least {len(steps)} (the head, "
                f"{groups - 1} groups of layers each alone, then all), not {epochs}."
            )
    last = 1 + epochs - len(steps)
    return [Phase(1, *step) for step in steps[:-1]] + [Phase(last, *steps[-1])]


def never_trained(plan: list[Phase]) -> int:
    """How many layer groups, from the bottom, train in none of the phases."""
    return min(phase.first for phase in plan)


def head_alone(plan: list[Phase], groups: int) -> int:
    """In how many epochs, from the first on, nothing but the head trains."""
    alone = 0
    for phase in plan:
        if phase.first < groups - 1:
            break
        alone += phase.epochs
    return alone


def in_every_phase(plan: list[Phase], rate: Callable[[float], float]) -> Callable[[float], float]:
    """The schedule `rate`, once in every phase, as a function of the share of training done.

    `rate` says the share of the highest rate, of the share of a phase that is done.
    """
    if len(plan) == 1:
        return rate
    total = sum(phase.epochs for phase in plan)

    def of_whole(done: float) -> float:
        epoch = done * total
        for phase in plan:
            if epoch < phase.epochs:
                return phase.scale * rate(epoch / phase.epochs)
            epoch -= phase.epochs
        return phase.scale * rate(1.0)

    return of_whole


class Unfreeze(Callback):
    """Lets the layers of the current phase train, and no others; in the end all, as before."""

    order, run_valid = At.UNFREEZE, False

    def __init__(self, plan: list[Phase]) -> None:
        self.of_epoch = [phase for phase in plan for _ in range(phase.epochs)]

    def before_train(self) -> None:
        phase = self.of_epoch[self.epoch]
        self.train_only(range(phase.first, phase.end))

    def after_fit(self) -> None:  # as fastai leaves a Learner whose user froze nothing
        self.train_only(range(len(self.opt.param_lists)))

    def train_only(self, groups: range) -> None:
        """Let the parameters of these groups train, and no others."""
        for number, group in enumerate(self.opt.param_lists):
            for parameter in group:
                parameter.requires_grad_(number in groups)


class FrozenWithoutDropout(Callback):
    """No dropout in frozen layers: what does not learn gives the same output every time."""

    order, run_valid = At.FROZEN_WITHOUT_DROPOUT, False

    def before_train(self) -> None:
        evaluate_if_frozen(self.model)


def evaluate_if_frozen(module: nn.Module) -> None:
    """Set each part of `module` whose parameters are all frozen to its evaluation mode.

    Parts without parameters, such as dropout, go by what they stand in.
    """
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        evaluate_if_frozen(child)


RATIO = 32  # ULMFiT: how much smaller the lowest rate is than the highest
FLOOR = 1e-5  # one-cycle: what is left of the highest rate at the end (fastai's div_final)
START = 25  # one-cycle: how much smaller the rate is at the start (fastai's div)


def discriminative(learn: Learner, lr: float, decay: float = 0.95) -> np.ndarray:
    """A learning rate for each layer group, (groups,): `lr` for the head, less below it.

    Source: ULMFiT section 3.2 (decay 1/2.6); Sun et al. 2019, section 5.3.3 (decay 0.95).
    """
    groups = len(learn.splitter(learn.model))
    return lr * decay ** np.arange(groups - 1, -1, -1.0)


def schedule(name: str, warmup: float) -> Callable[[float], float]:
    """Share of the highest rate as a function of the share of training done, both in [0, 1].

    one-cycle: Smith 2018, as fastai's; slanted: ULMFiT equation 3; linear, cosine and
    constant (after the warm-up): Hugging Face's schedules of these names.
    """
    up, down = {
        "one-cycle": (_cosine_between(1 / START, 1), _cosine_between(1, FLOOR)),
        "slanted": (_linear_between(1 / RATIO, 1), _linear_between(1, 1 / RATIO)),
        "linear": (_linear_between(0, 1), _linear_between(1, 0)),
        "cosine": (_linear_between(0, 1), _cosine_between(1, 0)),
        "constant": (_linear_between(0, 1), _linear_between(1, 1)),
    }[name]

    def rate(done: float) -> float:
        if done < warmup:
            return up(done / warmup)
        return down(min(1.0, (done - warmup) / (1 - warmup)))

    return rate


def scheduler(
    lrs: np.ndarray | float,
    rate: Callable[[float], float],
    epochs: int,
    batches: int,
    total: int | None = None,
) -> ParamScheduler:
    """A fastai callback that sets the rates by `rate` at each step of `epochs` of `batches` each.

    A step takes the rate of its middle, so that a warm-up never starts from zero. With `total`,
    there are that many steps: the last epoch is shorter than the others.
    """
    steps = epochs * batches if total is None else total

    def at(done: float) -> np.ndarray | float:
        # fastai gives the share of training that is done; the number of the step is exact.
        return lrs * rate((round(done * epochs * batches) + 0.5) / steps)

    return ParamScheduler({"lr": at})


def _linear_between(start: float, end: float) -> Callable[[float], float]:
    return lambda part: start + (end - start) * part


def _cosine_between(start: float, end: float) -> Callable[[float], float]:
    return lambda part: end + (start - end) * (1 + math.cos(math.pi * part)) / 2
