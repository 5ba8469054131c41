"""How is a linear layer computed in bf16 when its parameters are fp32?

Autocast casts operands and gradients op by op. Here the weight is cast once for the forward and the
backward pass, and activations stay in the compute dtype from one layer to the next.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from steep.models.kernels.compute import Compute

NARROWEST = 32
"""Layers with fewer outputs (classifier heads) cost next to nothing, and stay in full precision."""


def linear(module: nn.Linear, compute: Compute, x: Tensor) -> Tensor:
    """`module(x)`: (..., in) -> (..., out) in the compute dtype; small layers in the weight's."""
    if module.out_features < NARROWEST:
        return nn.functional.linear(x.to(module.weight.dtype), module.weight, module.bias)
    return _Linear.apply(x.to(compute.dtype), module.weight, module.bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        cast = weight.to(x.dtype)
        ctx.save_for_backward(x, cast)  # with the parameter, backward would cast again
        ctx.parameter_type = weight.dtype
        return _product(x, cast, None if bias is None else bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = grad.to(x.dtype)  # it is fp32 if the next layer was not replaced
        rows = grad.reshape(-1, grad.shape[-1])
        need_x, need_weight, need_bias = ctx.needs_input_grad
        return (
            (rows @ weight).view(x.shape) if need_x else None,
            _outer(rows, x.reshape(-1, x.shape[-1])).to(ctx.parameter_type)
            if need_weight
            else None,
            rows.sum(0).to(ctx.parameter_type) if need_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`linear(x, weight, bias)`, but never a view: Longformer and RoCBert write into the result.

    torch multiplies the rows of a batch as one matrix, and gives a view of that.
    """
    if bias is None or x.dim() != 3 or not x.is_contiguous():
        return nn.functional.linear(x, weight, bias)
    out = x.new_empty(*x.shape[:-1], len(weight))
    torch.addmm(bias, x.flatten(0, 1), weight.t(), out=out.flatten(0, 1))
    return out


def _outer(grad: Tensor, x: Tensor) -> Tensor:
    """grad^T x: (rows, out), (rows, in) -> (out, in).

    oneDNN is a quarter faster when the wider of the two is the transposed operand.
    """
    if grad.shape[1] >= x.shape[1]:
        return grad.t() @ x
    return (x.t() @ grad).t().contiguous()
