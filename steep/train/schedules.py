"""How fast does each layer learn, and when? Layer-wise rates, and schedules of the rate."""

import math
from collections.abc import Callable

import numpy as np
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner

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
