"""Which positions of the last layer does the head read? The others are not computed.

A classifier reads the first position of each row, a masked language model those that are masked.
The last layer needs keys and values at all positions, but queries, feed-forward block, dropout and
norms only at those that are read. The head sees the same numbers, and every parameter gets the same
gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from steep.models.families import encoder_layers
from steep.models.kernels.fast_layers import Compute, Reading, compute_of

FAMILIES = {
    *("bert", "camembert", "convbert", "data2vec-text", "deberta-v2", "distilbert", "electra"),
    *("ernie", "mpnet", "rembert", "roberta", "roformer", "xlm-roberta"),
}
"""Model types whose last layer may be narrowed. In others it can look the same and yet not be: LUKE
splits hidden states into words and entities, Longformer and BigBird pad the rows."""

ENDS = (
    ("attention.output", "output"),  # BERT and its relatives
    ("attention.LayerNorm", "output"),  # MPNet
    ("sa_layer_norm", "output_layer_norm"),  # DistilBERT
)
"""The two modules with which the blocks of a layer end, each in the norm of a residual sum."""

PROJECTIONS = {"query": nn.Linear, "key": nn.Linear, "value": nn.Linear}

QUERIES = 8
"""The number of queries per row is rounded up to a multiple of this, for fewer distinct shapes."""


@contextmanager
def reading(model: nn.Module, shape: torch.Size, positions: Tensor | None = None) -> Iterator[None]:
    """Inside this context, the last layer of `model` may output NaN at all other positions.

    shape: (rows, length) of the batch; positions: int64 (m,) in the flattened batch, by default the
    first of each row. What is read at a position that occurs twice must get no gradient: of several
    gradients, only one is kept. Does nothing to a model without fast layers, or with a last layer
    that cannot be narrowed.
    """
    compute = compute_of(model)
    if compute is not None:
        compute.reading = _read_first(shape) if positions is None else _read_given(positions, shape)
    try:
        yield
    finally:
        if compute is not None:
            compute.reading = None


def _read_first(shape: torch.Size) -> Reading:
    """A reading of the first position of each row."""
    starts = torch.arange(0, shape.numel(), shape[1])
    return Reading(starts, starts, shape, 1)


def _read_given(positions: Tensor, shape: torch.Size) -> Reading:
    """A reading of `positions`, in any order, some perhaps twice."""
    rows, length = shape
    distinct, which = positions.unique(return_inverse=True)
    row = distinct // length
    counts = row.bincount(minlength=rows)
    # `unique` sorts, so the positions of a row are neighbours: count from the first of them.
    rank = torch.arange(len(distinct)) - (counts.cumsum(0) - counts)[row]
    most = min(-(-int(counts.max()) // QUERIES) * QUERIES, length)
    return Reading(positions, (row * length + rank)[which], shape, most)


def reads_first(model: PreTrainedModel) -> bool:
    """Whether the logits of a classifier depend on the first positions of its last layer alone.

    Found by the gradient of the logits of two rows of four tokens, so that no list of model classes
    is needed. False if the last layer cannot be narrowed.
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
        with torch.inference_mode(False), torch.enable_grad(), _head_autocast(model):
            ids = torch.arange(2, 10).view(2, 4) % model.config.vocab_size
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            # Different weights: in a plain sum, gradients of several logits might cancel.
            weights = torch.arange(1.0, 1 + logits.numel()).view_as(logits)
            (read,) = torch.autograd.grad((logits * weights).sum(), states)
    finally:
        hook.remove()
        model.train(training)
    return bool(read[:, 0].any()) and not read[:, 1:].any()


def _head_autocast(model: nn.Module) -> torch.autocast:
    """For a model of which only the encoder was made fast: its fp32 head is given bf16 states."""
    compute = compute_of(model)
    bf16 = compute is not None and compute.dtype == torch.bfloat16
    return torch.autocast("cpu", torch.bfloat16, enabled=bf16)


def narrow_last_layer(
    layer: nn.Module, compute: Compute, ends: Sequence[nn.Module], queries: bool
) -> None:
    """Let a last layer compute only what `compute.reading` asks for, if its structure is known.

    `ends` are the modules of `layer` that may end a block. `queries` says whether its attention
    goes through Hugging Face's interface, as queries can be left out only there.
    """
    at = {name: module for name, module in layer.named_modules() if module in ends}
    known = next(((first, last) for first, last in ENDS if {first, last} <= at.keys()), None)
    norms = sum(isinstance(module, nn.LayerNorm) for module in at.values())
    if known is None or norms != 2:  # a third norm: there is a block between the two
        return
    attention, feed_forward = (at[name] for name in known)
    vars(layer)["steep_narrow"] = feed_forward
    projecting = [module for module in layer.modules() if queries and _projects(module)]
    for module in projecting:
        vars(module)["steep_narrow"] = True
        query: Any = module.query
        query.forward = partial(_narrow_query, compute, query.forward)
    attention.forward = partial(_end_attention, compute, attention.forward, bool(projecting))
    feed_forward.forward = partial(_end_layer, compute, feed_forward.forward)


def _projects(module: nn.Module) -> bool:
    children = {name: type(child) for name, child in module.named_children()}
    return PROJECTIONS.items() <= children.items()


def reading_for(module: nn.Module, compute: Compute) -> Reading | None:
    """The current reading, if the queries of this attention have moved to its slots, else None."""
    return compute.reading if "steep_narrow" in vars(module) else None


def _narrow_query(compute: Compute, forward: Callable[..., Tensor], x: Tensor) -> Tensor:
    """(rows, length, width): the queries that are read, at the front of their rows, then zeros.

    Wrong for a model that rotates queries by their position (RoPE), since these have moved: in
    `FAMILIES`, only RoFormer does, and its attention does not go through the interface.
    """
    reading = compute.reading
    if reading is None:
        return forward(x)
    return _Scatter.apply(
        forward(_Gather.apply(x, reading.positions)), reading.slots, reading.shape, 0.0
    )


def _end_attention(
    compute: Compute,
    forward: Callable[..., Tensor],
    at_slots: bool,
    hidden_states: Tensor,
    *residual: Tensor,
) -> Tensor:
    """The end of the attention block, for the positions that are read: -> (m, width).

    From here to the end of the layer, there are m positions and no rows. `at_slots`: the
    `hidden_states` are where the queries moved to. `residual` is what this end adds, if it does.
    """
    reading = compute.reading
    if reading is None:
        return forward(hidden_states, *residual)
    attended = _Gather.apply(hidden_states, reading.slots if at_slots else reading.positions)
    return forward(attended, *(_Gather.apply(other, reading.positions) for other in residual))


def _end_layer(compute: Compute, forward: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """The end of the layer: its outputs are put back in place, (rows, length, width).

    All other positions are NaN, so that reading one by mistake does not go unnoticed.
    """
    out, reading = forward(*inputs), compute.reading
    if reading is None:
        return out
    return _Scatter.apply(out, reading.positions, reading.shape, float("nan"))


class _Gather(torch.autograd.Function):
    """Rows of a batch by position: (rows, length, width) -> (m, width)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: Tensor) -> Tensor:
        ctx.positions, ctx.shape = positions, x.shape
        return x.flatten(0, 1).index_select(0, positions)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Assigned, not added: hence the condition on repeated positions in `reading`.
        whole = grad.new_zeros(ctx.shape)
        whole.flatten(0, 1)[ctx.positions] = grad
        return whole, None


class _Scatter(torch.autograd.Function):
    """The reverse: (m, width) -> (rows, length, width), which is `elsewhere` at other positions."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, positions: Tensor, shape: torch.Size, elsewhere: float
    ) -> Tensor:
        ctx.positions = positions
        whole = x.new_full((*shape, x.shape[-1]), elsewhere)
        whole.flatten(0, 1)[positions] = x
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad.flatten(0, 1).index_select(0, ctx.positions), None, None, None
