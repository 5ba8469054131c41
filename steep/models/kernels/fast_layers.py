"""How are linear layers, dropout, layer norms and the loss of masked tokens computed fast?

Linear: autocast casts operands and gradients op by op. Here the weight is cast once for the forward
and the backward pass, and activations stay in the compute dtype from one layer to the next.

Norm: in a post-norm encoder, each block ends in `norm(dropout(x) + residual)`. Dropping, rescaling
and adding are a single pass over memory (`addcmul`), in the forward and in the backward pass.

Dropout: its bits follow from the seed and the number of the draw (`Compute`), so that a backward
pass draws them again, and no number of threads changes them.

Loss: over a large vocabulary, without holding all logits in fp32.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from steep import seeds


@dataclass(frozen=True)
class Reading:
    """Which outputs of the last layer are read: int64 `positions` (m,) in a batch of `shape`.

    `shape` is (rows, length); positions are counted in the flattened batch. Rows differ in how many
    of their positions are read, so the queries of these move to the front of their rows, where
    `most` columns hold them all. `slots` (m,) is where they then are, also in the flattened batch.
    """

    positions: Tensor
    slots: Tensor
    shape: torch.Size
    most: int

    def of_queries(self, mask: Tensor) -> Tensor:
        """Of a mask (rows, heads or 1, length, length), the `most` queries in their new order."""
        queries = torch.zeros(self.shape.numel(), dtype=torch.long)
        queries[self.slots] = self.positions % self.shape[1]
        which = queries.view(-1, 1, self.shape[1], 1)[:, :, : self.most]
        return mask.gather(2, which.expand(-1, mask.shape[1], -1, mask.shape[3]))


@dataclass
class Compute:
    """What all fast layers of one model share.

    Every draw of dropout bits has a number, and its bits follow from (seed, number) alone. So they
    do not depend on the number of threads, and a backward pass can draw them again instead of
    saving them. To resume a run exactly, `drawn` is saved and restored. `reading` is None while all
    outputs of the last layer are read.
    """

    seed: int
    dtype: torch.dtype
    drawn: int = 0
    reading: Reading | None = None

    def next_draw(self) -> int:
        """The number of a new draw."""
        self.drawn += 1
        return self.drawn

    def bits(self, draw: int) -> "Bits":
        """The random bits of draw number `draw`."""
        return Bits(seeds.derive(self.seed, "dropout", draw))


class Bits:
    """A stream of random bytes, drawn in bulk as 64-bit integers (SFC64, O'Neill 2018)."""

    def __init__(self, seed: int) -> None:
        self._source = np.random.SFC64(seed)

    def keep(self, shape: torch.Size, rate: float, dtype: torch.dtype) -> Tensor:
        """A mask of `shape`: 0 with probability `dropped_share(rate)`, else 1."""
        count = shape.numel()
        # One byte decides about one element. That takes an eighth of the 64-bit integers that one
        # each would, and rounds the rate to a multiple of 1/256.
        words = self._source.random_raw((count + 7) // 8)
        drawn = torch.from_numpy(words.view(np.uint8))[:count].view(shape)
        return drawn.ge_(_threshold(rate)).to(dtype)


def compute_of(model: nn.Module) -> Compute | None:
    """What the fast layers inside `model` share; None if it has none."""
    held = (vars(module).get("steep_compute") for module in model.modules())
    return next((compute for compute in held if compute is not None), None)


def dropped_share(rate: float) -> float:
    """The probability with which `Bits.keep` drops: `rate` rounded to 1/256."""
    return _threshold(rate) / 256


def rescaling(rate: float) -> float:
    """What survives dropout is multiplied by this, so that the expected value stays the same."""
    return 1 / (1 - dropped_share(rate))


def _threshold(rate: float) -> int:
    """Bytes below this drop their element. It has to fit into a byte itself."""
    return min(round(256 * rate), 255)


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
        ctx.scale = rescaling(rate)
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


NARROWEST = 32
"""Layers with fewer outputs cost next to nothing, and are left to torch."""


def linear(module: nn.Linear, compute: Compute, x: Tensor) -> Tensor:
    """`module(x)`: (..., in) -> (..., out) in the compute dtype; small layers as autocast says."""
    if module.out_features < NARROWEST:
        return nn.functional.linear(x.to(module.weight.dtype), module.weight, module.bias)
    return _Linear.apply(x.to(compute.dtype), module.weight, module.bias)


def full_linear(module: nn.Linear, x: Tensor) -> Tensor:
    """`module(x)` in the weight's precision, also where autocast would take fewer bits."""
    with torch.autocast(x.device.type, enabled=False):
        return nn.functional.linear(x.to(module.weight.dtype), module.weight, module.bias)


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
        ctx.scale = rescaling(rate)
        ctx.save_for_backward(keep)
        return (x * keep).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (keep,) = ctx.saved_tensors
        return (grad * keep).mul_(ctx.scale), None, None


ROWS = 16
"""Rows in a chunk: the softmax of 16 x 30,522 logits in fp32 (2 MB) stays in a core's cache."""

TINY = 1e-30
"""Smaller probabilities lose precision, or underflow to 0; their logarithm is computed from the
logits instead."""


def cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean cross entropy of logits (n, classes), of any dtype, and labels (n,): an fp32 scalar.

    Computed in fp32, `ROWS` rows at a time (float64 logits in float64). Rows whose label is
    `ignore_index` do not count; if all are ignored, the loss is 0 (torch's own would be NaN).
    """
    return _CrossEntropy.apply(logits, labels, ignore_index)


class _CrossEntropy(torch.autograd.Function):
    """The gradient is computed in the forward pass, from the same softmax as the loss."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        counts = labels != ignore_index
        target = labels.where(counts, 0)[:, None]  # `gather` needs a valid index in every row
        wide = torch.promote_types(logits.dtype, torch.float32)
        share = counts.to(wide) / counts.sum().clamp(min=1)
        grad = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        losses = []
        for start in range(0, len(logits), ROWS):
            rows = slice(start, start + ROWS)
            chunk = torch.softmax(logits[rows], -1, dtype=wide)
            picked = chunk.gather(1, target[rows])
            if picked.min() > TINY:
                losses.append(-picked.log())
            else:
                exact = torch.log_softmax(logits[rows], -1, dtype=wide)
                losses.append(-exact.gather(1, target[rows]))
            if grad is not None:
                # The gradient is (softmax - one_hot) * share, where ignored rows have share 0.
                chunk.scatter_(1, target[rows], picked - 1)
                torch.mul(chunk, share[rows, None], out=grad[rows])
        ctx.save_for_backward(grad)
        return torch.cat(losses).squeeze(1) @ share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (of_logits,) = ctx.saved_tensors
        # It is 1 unless the loss was scaled; multiplying costs a pass over as much as the logits.
        return of_logits if grad == 1 else of_logits * grad, None, None
