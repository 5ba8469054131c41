"""How is dropout drawn without torch's single-threaded `bernoulli_`?"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from steep.models.kernels.compute import Compute, dropped_share


def dropout(module: nn.Dropout, compute: Compute, x: Tensor) -> Tensor:
    """`module(x)` for x of any shape.

    What survives is divided by the probability with which `Bits.keep` really keeps, a multiple of
    1/256, so that the expected value is x.
    """
    if not module.training or module.p == 0:
        return x
    return _Dropout.apply(x, module.p, compute)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: float, compute: Compute) -> Tensor:
        keep = compute.bits(compute.next_draw()).keep(x.shape, rate, x.dtype)
        ctx.scale = 1 / (1 - dropped_share(rate))
        ctx.save_for_backward(keep)
        return (x * keep).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (keep,) = ctx.saved_tensors
        return (grad * keep).mul_(ctx.scale), None, None
