"""When does a training wait for its device to read a loss, and end where that is not finite?"""

import math
import time

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.learner import AvgSmoothLoss, Learner
from torch import Tensor

from steep.launch import here
from steep.train.callbacks import At


class SmoothLoss(AvgSmoothLoss):
    """fastai's, which waits for the device in every step, kept on the device."""

    val: Tensor

    def accumulate(self, learn: Learner) -> None:
        loss = learn.loss.detach().mean().as_subclass(Tensor)
        self.count += 1
        self.val = torch.lerp(loss, self.val.to(loss), self.beta)


class Readings(Callback):
    """Reads what the steps leave on the device, once in `every` seconds, and after each epoch.

    To read a number of a GPU is to wait until it has computed it, while nothing is made ready for
    it. `now` says whether this is a step in which others may read, too. Losses become numbers then,
    where fastai keeps a tensor of every step: such a tensor lies among the blocks that a step
    frees, and pins them apart: after some thousand ragged steps a process held twice the memory,
    most of it free but in pieces.
    """

    order, run_valid = At.READINGS, False
    every = 1.0

    def before_fit(self) -> None:
        smooth = SmoothLoss(self.recorder.smooth_loss.beta)
        self.recorder.__dict__["smooth_loss"] = (
            smooth  # by `=`, fastai warns that the Learner has one
        )
        self.now, self.count, self.last = True, 0, -math.inf

    def before_batch(self) -> None:
        self.now = self.is_time()

    def is_time(self) -> bool:
        """Whether to read in this step; always where the device is no other than Python's.

        And where several processes train, which have to end after the same step.
        """
        if self.dls.device.type == "cpu" or here().count > 1:
            return True
        return time.monotonic() - self.last >= self.every

    def after_batch(self) -> None:
        if self.now:
            self.read()

    def after_train(self) -> None:
        self.now = True
        self.read()

    def read(self) -> None:
        """Make the losses of all steps so far numbers."""
        losses, self.last = self.recorder.losses, time.monotonic()
        if some := losses[self.count :]:
            losses[self.count :] = torch.stack(some).tolist()
            self.count = len(losses)


def readings_of(learn: Learner) -> Readings:
    """The `Readings` of a `Learner` of Steep's."""
    return next(callback for callback in learn.cbs if isinstance(callback, Readings))


class StopIfDiverged(Callback):
    """Ends a training whose loss, also on validation, is not finite: nothing good comes of it.

    No step is taken with such a loss, nor any after it, though it may be read some steps later:
    when `readings` says.
    """

    order = At.STOP_IF_DIVERGED

    def __init__(self, readings: Readings) -> None:
        self.readings, self.diverged = readings, False
        self.wrong: Tensor | None = None  # bool (), whether any loss was not finite

    def before_fit(self) -> None:
        self.wrong = None

    def after_loss(self) -> None:
        wrong = ~torch.isfinite(self.loss)
        self.wrong = wrong if self.wrong is None else self.wrong | wrong
        if self.training and not self.readings.now:
            self.opt.skip = self.wrong.float()
        else:
            self.after_train()

    def after_train(self) -> None:
        if self.wrong is not None and self.wrong:
            self.diverged = True
            raise CancelFitException
