"""How is a model trained in fp16? Its loss is scaled up, so that small gradients do not vanish.

Where the scaled gradients overflow, the step is skipped and the scale halved; after so many steps
without, it is doubled (Micikevicius et al. 2018, "Mixed Precision Training", section 3.2; numbers
of torch's `GradScaler`, which reads the device in every step). All of it stays on the device.
"""

import torch
from torch import Tensor

from steep.console import say
from steep.train.callbacks import At, Resumable
from steep.wording import counted

FIRST = 65536.0  # scale
GROWTH = 2000  # steps without overflow after which it is doubled


class LossScale(Resumable):
    """Scales the loss of training batches, and finds the next scale after each step.

    `scale` is what a loss is multiplied by, `good` the steps since it was changed or a step
    overflowed, and `skipped` how many did, float32 () each.
    """

    order, run_valid = At.LOSS_SCALE, False
    saved = ("scale", "good", "skipped")

    def before_fit(self) -> None:
        self.scale = torch.tensor(FIRST)
        self.good, self.skipped = torch.tensor(0.0), torch.tensor(0.0)

    def before_train(self) -> None:  # after a resumption, which gives tensors on the CPU
        for name in self.saved:
            setattr(self, name, getattr(self, name).to(self.dls.device))
        self.opt.loss_scale = self.scale

    def after_loss(self) -> None:
        self.learn.loss_grad = scaled(self.loss_grad, self.scale)

    def after_step(self) -> None:
        skipped = self.opt.skip
        good = (self.good + 1) * (1 - skipped)
        grown = good >= GROWTH
        factor = torch.where(skipped > 0, 0.5, torch.where(grown, 2.0, 1.0))
        self.scale.mul_(factor)  # in place: the optimiser has it, too
        self.good = torch.where(grown, 0.0, good)
        self.skipped = self.skipped + skipped

    def after_fit(self) -> None:
        if self.opt is not None:  # as where one only validates
            self.opt.loss_scale = None
        if self.skipped:
            say(
                f"fp16: {counted(int(self.skipped), 'step')} skipped, whose gradients overflowed: "
                f"so the scale of the loss is found, which is {float(self.scale):,.0f} now"
            )


def scaled(loss: Tensor, scale: Tensor | None) -> Tensor:
    """The loss whose gradient is computed."""
    return loss if scale is None else loss * scale
