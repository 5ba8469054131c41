"""How is attention with dropout computed without memory that grows with the square of the length?

In tiles: the scores of a few sentences or heads at a time. The backward pass recomputes the scores
and draws the same dropout bits again, so that no tensor of size (length, length) is saved, as in
FlashAttention (Dao et al. 2022, section 3.1). Where a layer's scores are few, they are saved after
all, which is faster. torch's own kernel draws its dropout mask on a single thread, and its backward
pass is slow for heads of size 32.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from steep.models.kernels.fast_layers import Compute, rescaling

TILE = 2**22
"""Scores in a tile (8 MB in bf16). Smaller tiles would fit the cache better, but 2**18 and 2**19
were a fifth slower at 512 tokens, since every tile costs some calls."""

KEPT = 2**23
"""Up to this many scores of a layer (32 MB in bf16, with their dropout mask) are saved for the
backward pass instead of being recomputed."""

SHORT = 64
"""Up to this length, plain matrix products beat torch's fused kernel in inference as well."""

WIDTH = 32
"""torch's bf16 softmax takes four times as long where the row length is no multiple of this."""

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
    """softmax(scaling * query key^T + mask) value, with dropout of the probabilities at `rate`.

    query, key, value: (batch, heads, length, head size); mask: additive or bool (True: attend),
    broadcastable to (batch, heads, length, length). Returns (batch, length, heads, head size).
    """
    query, key, value = (tensor.to(compute.dtype) for tensor in (query, key, value))
    # `_Attention` has no gradient for the mask: position biases that learn go to torch's kernel.
    learned = mask is not None and mask.requires_grad
    # So does inference on long texts: without dropout and backward pass, that kernel is faster.
    if learned or (not torch.is_grad_enabled() and rate == 0 and query.shape[2] > SHORT):
        fused = nn.functional.scaled_dot_product_attention
        return fused(query, key, value, mask, dropout_p=rate, scale=scaling).transpose(1, 2)
    additive = None if mask is None else _additive(mask, compute.dtype)
    if compute.dtype == torch.bfloat16 and key.shape[2] % WIDTH:
        key, value, additive = _filled_up(key, value, additive)
    if additive is not None:
        # A view, so that a tile of it is taken just as one of the queries.
        additive = additive.expand(*query.shape[:2], -1, -1)
    return _Attention.apply(query, key, value, additive, rate, scaling, compute)


def _filled_up(key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values padded to a multiple of `WIDTH`, and a mask that hides the padding."""
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
        ctx.draw = compute.next_draw() if rate else 0  # enough to draw the same bits once more
        bits = compute.bits(ctx.draw)
        batch, heads, length, size = query.shape
        # Heads next to each other, so that the caller joins them without a copy.
        out = query.new_empty(batch, length, heads, value.shape[-1])
        keeping = ctx.needs_input_grad[0] and batch * heads * length * key.shape[2] <= KEPT
        kept: list[Tensor | None] = []
        for tile in _tiles(query, key):
            keys, values = (_flat_tile(tensor, tile) for tensor in (key, value))
            seen = _probabilities(_flat_tile(query, tile), keys, scaling, mask, tile)
            keep = bits.keep(seen.shape, rate, seen.dtype) if rate else None
            if keeping:
                kept += [seen, keep]
            # The gradient of softmax needs the probabilities as they were before dropout.
            dropped = seen if keep is None else (seen * keep if keeping else seen.mul_(keep))
            # Rescaling what dropout kept is left to the product, as in `_scaled_product`.
            target = out.transpose(1, 2)[tile]
            target.copy_(_scaled_product(dropped, values, rescaling(rate)).view(target.shape))
        ctx.save_for_backward(query, key, value, mask, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, *kept = ctx.saved_tensors
        known = zip(kept[::2], kept[1::2], strict=True)
        # One stream of bits for all tiles: they have to come in the order of the forward pass.
        bits = None if kept else ctx.compute.bits(ctx.draw)
        grads = [torch.empty_like(tensor) for tensor in (query, key, value)]
        for tile in _tiles(query, key):
            parts = [_flat_tile(tensor, tile) for tensor in (query, key, value)]
            d_out = _flat_tile(grad.transpose(1, 2), tile).mul(rescaling(ctx.rate))
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
    """Gradients of query, key and value, each (pairs of sentence and head, length, head size).

    `seen` are the probabilities of the tile, `keep` their dropout mask, `d_out` the gradient of
    the output.
    """
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
    """scaling * left right. oneDNN scales within the product, which saves a pass over memory."""
    # With beta=0 the first operand is not read; baddbmm insists on one.
    return torch.baddbmm(left.new_zeros(1, 1, 1), left, right, beta=0, alpha=scaling)


def _probabilities(
    query: Tensor, key: Tensor, scaling: float, mask: Tensor | None, tile: Tile
) -> Tensor:
    """softmax(scaling * query key^T + mask) of one tile: (pairs, length, length)."""
    if mask is None:
        scores = _scaled_product(query, key.transpose(1, 2), scaling)
    else:
        scores = torch.baddbmm(_flat_tile(mask, tile), query, key.transpose(1, 2), alpha=scaling)
    return torch.softmax(scores, -1, out=scores)  # in place: half the memory of a tile


def _tiles(query: Tensor, key: Tensor) -> Iterator[Tile]:
    """Slices of (batch, heads) with about `TILE` scores: whole sentences, or some heads of one."""
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
    """The mask as numbers to add to the scores."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    # The lowest finite number: -inf would make NaN of a row in which everything is masked.
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)
