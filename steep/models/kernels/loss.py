"""How is the loss over a large vocabulary computed without fp32 logits of all positions?"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

ROWS = 16
"""Positions in a chunk: 16 x 30,522 fp32 numbers (2 MB) stay in a core's cache."""


def cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean cross entropy of logits (n, classes), in any type, and labels (n,); fp32 scalar.

    Computed in fp32, `ROWS` rows at a time. Rows whose label is `ignore_index` do not count; when
    all are ignored the loss is 0 (torch's own would be NaN).
    """
    return _CrossEntropy.apply(logits, labels, ignore_index)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        counts = labels != ignore_index
        target = labels.where(counts, 0)[:, None]
        wide = torch.promote_types(logits.dtype, torch.float32)
        losses = [
            -torch.log_softmax(rows, -1, dtype=wide).gather(1, columns)
            for rows, columns in zip(logits.split(ROWS), target.split(ROWS), strict=True)
        ]
        ctx.share = counts.to(wide) / counts.sum().clamp(min=1)
        ctx.save_for_backward(logits, target)
        return torch.cat(losses).squeeze(1) @ ctx.share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, target = ctx.saved_tensors
        weight = (ctx.share * grad)[:, None]
        out = torch.empty_like(logits)
        for start in range(0, len(logits), ROWS):
            rows = slice(start, start + ROWS)
            chunk = torch.softmax(logits[rows], -1, dtype=weight.dtype)
            chunk.scatter_add_(1, target[rows], chunk.new_full((len(chunk), 1), -1.0))
            out[rows] = chunk.mul_(weight[rows])
        return out, None, None
