"""How is attention computed with dropout, in memory that does not grow with the square of length?

Tile by tile: scores of a few sentences or heads at a time fit the processor's cache. The way back
computes scores again and draws the same dropout bits again, so nothing of size (length, length) is
kept (as FlashAttention does: Dao et al. 2022, section 3.1), but where that is little memory.
torch's own kernel draws no parallel dropout, and its backward pass is slow for heads of 32.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from steep.models.kernels.compute import Compute, dropped_share

TILE = 2**22
"""Scores in a tile: 2 MB in bf16, about a core's second-level cache."""

KEPT = 2**23
"""Up to so many scores in a layer (32 MB with their dropout) are kept for the way back."""

SHORT = 64
"""Up to this length plain matrix products beat torch's fused kernel in inference, too."""

WIDTH = 32
"""torch's softmax of bf16 takes four times as long where a row is no multiple of so many."""

Tile = tuple[slice, slice]


def attention(
    compute: Compute,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    rate: float,
    scaling: float,
) -> Tensor:
    """softmax(query key^T scaling + mask) value, with dropout of the probabilities at `rate`.

    query, key, value: (batch, heads, length, head size); mask: additive or bool (True = seen),
    broadcast to (batch, heads, length, length); with a learned mask torch's kernel is used.
    Returns (batch, length, heads, head size).
    """
    query, key, value = (tensor.to(compute.dtype) for tensor in (query, key, value))
    learned = mask is not None and mask.requires_grad
    if learned or (not torch.is_grad_enabled() and rate == 0 and query.shape[2] > SHORT):
        fused = nn.functional.scaled_dot_product_attention
        return fused(query, key, value, mask, dropout_p=rate, scale=scaling).transpose(1, 2)
    additive = None if mask is None else _additive(mask, compute.dtype)
    if compute.dtype == torch.bfloat16 and key.shape[2] % WIDTH:
        key, value, additive = _filled_up(key, value, additive)
    if additive is not None:
        additive = additive.expand(*query.shape[:2], -1, -1)
    return _Attention.apply(query, key, value, additive, rate, scaling, compute)


def _filled_up(key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values up to a multiple of `WIDTH`, and a mask that hides the further ones."""
    length = key.shape[2]
    more = -length % WIDTH
    mask = key.new_zeros(1, 1, 1, length) if mask is None else mask
    key, value = (nn.functional.pad(tensor, (0, 0, 0, more)) for tensor in (key, value))
    return key, value, nn.functional.pad(mask, (0, more), value=torch.finfo(mask.dtype).min)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        rate: float,
        scaling: float,
        compute: Compute,
    ) -> Tensor:
        ctx.rate, ctx.scaling, ctx.compute = rate, scaling, compute
        ctx.draw = compute.next_draw() if rate else 0
        bits = compute.bits(ctx.draw)
        batch, heads, length, size = query.shape
        out = query.new_empty(batch, length, heads, value.shape[-1])
        keeping = ctx.needs_input_grad[0] and batch * heads * length * key.shape[2] <= KEPT
        kept: list[Tensor | None] = []
        for tile in _tiles(query, key):
            keys, values = (_flat_tile(tensor, tile) for tensor in (key, value))
            seen = _probabilities(_flat_tile(query, tile), keys, scaling, mask, tile)
            keep = bits.keep(seen.shape, rate, seen.dtype) if rate else None
            if keeping:
                kept += [seen, keep]
            dropped = seen if keep is None else (seen * keep if keeping else seen.mul_(keep))
            target = out.transpose(1, 2)[tile]
            target.copy_(_scaled_product(dropped, values, _rescale(rate)).view(target.shape))
        ctx.save_for_backward(query, key, value, mask, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, *kept = ctx.saved_tensors
        known = zip(kept[::2], kept[1::2], strict=True)
        bits = None if kept else ctx.compute.bits(ctx.draw)
        grads = [torch.empty_like(tensor) for tensor in (query, key, value)]
        for tile in _tiles(query, key):
            parts = [_flat_tile(tensor, tile) for tensor in (query, key, value)]
            d_out = _flat_tile(grad.transpose(1, 2), tile).mul(_rescale(ctx.rate))
            if bits is None:
                seen, keep = next(known)
            else:
                seen = _probabilities(parts[0], parts[1], ctx.scaling, mask, tile)
                keep = bits.keep(seen.shape, ctx.rate, seen.dtype) if ctx.rate else None
            found = _tile_grads(seen, keep, d_out, ctx.scaling, *parts)
            for whole, part in zip(grads, found, strict=True):
                target = whole[tile]
                target.copy_(part.view(target.shape))
        return *grads, None, None, None, None


def _tile_grads(
    seen: Tensor,
    keep: Tensor | None,
    d_out: Tensor,
    scaling: float,
    query: Tensor,
    key: Tensor,
    value: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value of one tile, each (pairs, length, size)."""
    d_seen = torch.bmm(d_out, value.transpose(1, 2))
    dropped = seen
    if keep is not None:
        d_seen.mul_(keep)
        dropped = keep * seen
    d_value = torch.bmm(dropped.transpose(1, 2), d_out)
    d_scores = torch._softmax_backward_data(d_seen, seen, -1, seen.dtype)
    d_query = _scaled_product(d_scores, key, scaling)
    return d_query, _scaled_product(d_scores.transpose(1, 2), query, scaling), d_value


def _scaled_product(left: Tensor, right: Tensor, scaling: float) -> Tensor:
    """left right scaling: oneDNN scales within the product."""
    return torch.baddbmm(left.new_zeros(1, 1, 1), left, right, beta=0, alpha=scaling)


def _probabilities(
    query: Tensor, key: Tensor, scaling: float, mask: Tensor | None, tile: Tile
) -> Tensor:
    """softmax(query key^T scaling + mask): (pairs, length, length) of one tile."""
    if mask is None:
        scores = _scaled_product(query, key.transpose(1, 2), scaling)
    else:
        scores = torch.baddbmm(_flat_tile(mask, tile), query, key.transpose(1, 2), alpha=scaling)
    return torch.softmax(scores, -1, out=scores)


def _tiles(query: Tensor, key: Tensor) -> Iterator[Tile]:
    """Slices of (batch, heads) whose scores are about `TILE`: whole sentences, or some heads."""
    batch, heads, length, _ = query.shape
    pairs = max(1, TILE // (length * key.shape[2]))
    rows = max(1, pairs // heads)
    columns = min(pairs, heads)
    for row in range(0, batch, rows):
        for column in range(0, heads, columns):
            yield slice(row, row + rows), slice(column, column + columns)


def _flat_tile(tensor: Tensor, tile: Tile) -> Tensor:
    """A tile of (batch, heads, length, size) as (pairs, length, size)."""
    return tensor[tile].reshape(-1, *tensor.shape[2:])


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def _rescale(rate: float) -> float:
    return 1 / (1 - dropped_share(rate))
