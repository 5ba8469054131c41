"""Which positions of the last layer does the head read? The others are not computed.

A classifier reads the first position of each row, a masked language model those that it has to
guess. Keys and values of the last layer are needed of all positions; feed-forward block, dropout
and norms only of those that are read. So are queries, but of a masked language model all are
computed: its rows have different numbers of masked tokens. The head sees the same numbers, and
every parameter gets the same gradient.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from steep.models.kernels.compute import Compute, Reading, shared
from steep.models.layers import encoder_layers

PROJECTIONS = {"query": nn.Linear, "key": nn.Linear, "value": nn.Linear}


@contextmanager
def reading(model: nn.Module, shape: torch.Size, positions: Tensor | None = None) -> Iterator[None]:
    """While this lasts, the last layer of `model` may give other positions as NaN.

    shape: (rows, length) of the batch; positions: int64 (m,) in the flattened batch, by default the
    first of each row. A position that stands there twice must get no gradient. Does nothing to a
    model without fast layers, or with a last layer of unknown form.
    """
    first = positions is None
    if positions is None:
        positions = torch.arange(0, shape.numel(), shape[1])
    compute = shared(model)
    if compute is not None:
        compute.reading = Reading(positions, shape, first)
    try:
        yield
    finally:
        if compute is not None:
            compute.reading = None


def reads_first(model: PreTrainedModel) -> bool:
    """Whether the logits of a classifier follow from the first positions of its last layer alone.

    Found by the gradient of its logits for two rows of four tokens. False where the last layer
    has no form that could make use of it.
    """
    end = vars(encoder_layers(model.base_model)[-1]).get("steep_narrow")
    if end is None:
        return False
    states: list[Tensor] = []

    def leaf(end: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        states.append(output.detach().requires_grad_())
        return states[-1]

    hook, training = end.register_forward_hook(leaf), model.training
    model.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad(), _autocast(model):
            ids = torch.arange(2, 10).view(2, 4) % model.config.vocab_size
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            weights = torch.arange(1.0, 1 + logits.numel()).view_as(logits)
            (read,) = torch.autograd.grad((logits * weights).sum(), states)
    finally:
        hook.remove()
        model.train(training)
    return bool(read[:, 0].any()) and not read[:, 1:].any()


def _autocast(model: nn.Module) -> torch.autocast:
    """As a head needs it whose encoder alone computes in bf16."""
    compute = shared(model)
    bf16 = compute is not None and compute.dtype == torch.bfloat16
    return torch.autocast("cpu", torch.bfloat16, enabled=bf16)


def narrow(layer: nn.Module, compute: Compute, ends: list[nn.Module]) -> None:
    """Let a last layer compute what `compute.reading` says; `ends` are those of its two blocks."""
    if len(ends) != 2:
        return
    attention, feed_forward = ends
    vars(layer)["steep_narrow"] = feed_forward
    attention.forward = partial(_taking, compute, attention.forward)
    feed_forward.forward = partial(_putting, compute, feed_forward.forward)


def narrow_queries(layer: nn.Module, compute: Compute) -> None:
    """Let the attention of a last layer project the queries that are read, where it can be told."""
    for module in layer.modules():
        children = {name: type(child) for name, child in module.named_children()}
        if PROJECTIONS.items() <= children.items():
            vars(module)["steep_narrow"] = True
            query: Any = module.query
            query.forward = partial(_first_query, compute, query.forward)


def first_only(module: nn.Module, compute: Compute) -> bool:
    """Whether this attention is asked for the first position of each row alone."""
    return "steep_narrow" in vars(module) and compute.reading is not None and compute.reading.first


def _first_query(compute: Compute, forward: Callable[..., Tensor], x: Tensor) -> Tensor:
    """(rows, length, width): the first position's query in the place of every other one."""
    if compute.reading is None or not compute.reading.first:
        return forward(x)
    return forward(x[:, :1]).expand(-1, x.shape[1], -1)


def _taking(
    compute: Compute, forward: Callable[..., Tensor], hidden_states: Tensor, input_tensor: Tensor
) -> Tensor:
    """The end of a block, for the positions that are read: (m, width)."""
    if compute.reading is None:
        return forward(hidden_states, input_tensor)
    where = compute.reading.positions
    return forward(_Take.apply(hidden_states, where), _Take.apply(input_tensor, where))


def _putting(
    compute: Compute, forward: Callable[..., Tensor], hidden_states: Tensor, input_tensor: Tensor
) -> Tensor:
    """The end of a layer: its outputs in their places, (rows, length, width)."""
    out = forward(hidden_states, input_tensor)
    if compute.reading is None:
        return out
    return _Put.apply(out, compute.reading.positions, compute.reading.shape)


class _Take(torch.autograd.Function):
    """(rows, length, width) -> (m, width)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: Tensor) -> Tensor:
        ctx.positions, ctx.shape = positions, x.shape
        return x.flatten(0, 1).index_select(0, positions)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        whole = grad.new_zeros(ctx.shape)
        whole.flatten(0, 1)[ctx.positions] = grad
        return whole, None


class _Put(torch.autograd.Function):
    """(m, width) -> (rows, length, width), NaN elsewhere: to read that by mistake would show."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: Tensor, shape: torch.Size) -> Tensor:
        ctx.positions = positions
        whole = x.new_full((*shape, x.shape[-1]), float("nan"))
        whole.flatten(0, 1)[positions] = x
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad.flatten(0, 1).index_select(0, ctx.positions), None, None
