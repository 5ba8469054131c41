"""How is the loss over a large vocabulary computed without holding all logits in fp32?"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
