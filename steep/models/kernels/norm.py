"""How are dropout, residual sum and layer norm computed together?

In a post-norm encoder, each block ends in `norm(dropout(x) + residual)`. Dropping, rescaling and
adding are a single pass over memory (`addcmul`), in the forward and in the backward pass.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from steep.models.kernels.compute import Compute, dropped_share


def layer_norm(module: nn.LayerNorm, compute: Compute, x: Tensor) -> Tensor:
    """`module(x)` in the compute dtype; torch's kernel computes mean and variance in fp32."""
    x = x.to(compute.dtype)
    return nn.functional.layer_norm(
        x, module.normalized_shape, module.weight, module.bias, module.eps
    )


def residual_norm(
    norm: nn.LayerNorm, dropout: nn.Dropout, compute: Compute, x: Tensor, residual: Tensor
) -> Tensor:
    """`norm(dropout(x) + residual)` for x and residual (..., hidden), in the compute dtype."""
    x, residual = x.to(compute.dtype), residual.to(compute.dtype)
    if not dropout.training or dropout.p == 0:
        return layer_norm(norm, compute, x + residual)
    return _ResidualNorm.apply(x, residual, norm.weight, norm.bias, norm.eps, dropout.p, compute)


class _ResidualNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        rate: float,
        compute: Compute,
    ) -> Tensor:
        keep = compute.bits(compute.next_draw()).keep(x.shape, rate, x.dtype)
        ctx.scale = 1 / (1 - dropped_share(rate))
        total = torch.addcmul(residual, x, keep, value=ctx.scale)
        out, mean, rstd = torch.native_layer_norm(total, weight.shape, weight, bias, eps)
        ctx.save_for_backward(total, mean, rstd, weight, bias, keep)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        total, mean, rstd, weight, bias, keep = ctx.saved_tensors
        d_total, d_weight, d_bias = torch.ops.aten.native_layer_norm_backward(
            grad.to(total.dtype), total, weight.shape, mean, rstd, weight, bias, [True] * 3
        )
        # Adding to zero, since `addcmul` multiplies by mask and scale in a single pass.
        zero = torch.zeros((), dtype=keep.dtype)
        d_x = torch.addcmul(zero, d_total, keep, value=ctx.scale)
        return d_x, d_total, d_weight, d_bias, None, None, None
