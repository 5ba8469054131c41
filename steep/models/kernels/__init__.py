"""What makes training fast on a CPU? Faster versions of a Hugging Face model's layers, in place.

    kernels.install(model, seed)        # same parameters, same state_dict, faster layers
    loss = kernels.cross_entropy(logits, labels)
    kernels.remove(model)               # the plain model again

The parameters stay fp32 and stay the same objects; activations are bf16 where the processor has
instructions for it. Layers are recognised by structure, so that every encoder made of torch's own
layers benefits, and what is not recognised stays as it is. A layer keeps its class and its names:
only `forward` is replaced, on the instance. All of it is pure torch. See benchmarks/README.md for
what each part buys, and docs/engine.md for the internals of torch and transformers that the layers
lean on: the place to start when a new version of either breaks them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

from steep.models.families import encoder_layers
from steep.models.kernels.attention import attention
from steep.models.kernels.fast_layers import (
    Compute,
    compute_of,
    cross_entropy,
    dropout,
    full_linear,
    layer_norm,
    linear,
    residual_norm,
)
from steep.models.kernels.reading import (
    FAMILIES,
    narrow_last_layer,
    reading,
    reading_for,
    reads_first,
)

__all__ = [
    "compute_of",
    "cross_entropy",
    "draw_on",
    "drawn",
    "fast_dtype",
    "full_linear",
    "install",
    "reading",
    "reads_first",
    "remove",
]


ATTENTION = "steep"


def fast_dtype() -> torch.dtype:
    """bf16 where the processor has instructions to multiply bf16 matrices, else fp32."""
    # Every processor with AMX has AVX512-BF16 as well. torch's public `get_capabilities` is newer
    # than torch 2.6, the oldest version that Steep supports.
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def install(model: PreTrainedModel, seed: int, dtype: torch.dtype | None = None) -> Compute:
    """Make `model` (on the CPU) fast, in place; its dropout then follows from `seed`.

    Activations are of `dtype`, by default `fast_dtype()`; parameters are left as they are. It
    cannot be combined with the model's own gradient checkpointing, whose recomputation would draw
    other dropout bits. Returns what the layers share.
    """
    remove(model)
    compute = Compute(seed, dtype or fast_dtype())
    for module in model.modules():
        vars(module)["steep_compute"] = compute
        fast = _fast_form(module)
        if fast is not None:
            # A partial rather than a closure: `copy.deepcopy` copies what a partial holds, so a
            # copy of the model computes with its own parameters.
            module.forward = partial(fast, module, compute)
    if compute.dtype == torch.bfloat16:
        model.forward = partial(_under_autocast, model)
    replaceable = not model.config.is_encoder_decoder and model._can_set_attn_implementation()
    if replaceable:
        vars(model)["steep_attention_before"] = model.config._attn_implementation
        model.set_attn_implementation(ATTENTION)
    if model.config.model_type in FAMILIES:
        last = encoder_layers(model.base_model)[-1]
        ends = [module for module in last.modules() if _is_block_output(module) or _is_norm(module)]
        narrow_last_layer(last, compute, ends, queries=replaceable)
    return compute


def remove(model: PreTrainedModel) -> None:
    """Undo `install`; a model that it was not applied to stays as it is."""
    for module in model.modules():
        if vars(module).pop("steep_compute", None) is not None:
            vars(module).pop("forward", None)  # the class's own is found again
            vars(module).pop("steep_narrow", None)
    before = vars(model).pop("steep_attention_before", None)
    if before is not None:
        model.set_attn_implementation(before)


def drawn(model: nn.Module) -> int:
    """How many times the fast layers inside `model` have drawn dropout bits; 0 if it has none."""
    compute = compute_of(model)
    return 0 if compute is None else compute.drawn


def draw_on(model: nn.Module, drawn: int) -> None:
    """Let the fast layers inside `model` continue as if they had drawn `drawn` times."""
    compute = compute_of(model)
    if compute is not None:
        compute.drawn = drawn


def _fast_form(module: nn.Module) -> Callable[..., Tensor] | None:
    """The function that replaces `module.forward`, or None."""
    # Exact classes, here and below: a subclass may compute something else.
    if type(module) is nn.Linear:
        return linear
    if _is_norm(module):
        return layer_norm
    if type(module) is nn.Dropout and not module.inplace:
        return dropout
    return _block_output if _is_block_output(module) else None


_BLOCK_OUTPUT = {"dense": nn.Linear, "LayerNorm": nn.LayerNorm, "dropout": nn.Dropout}
"""What ends a block in BERT, RoBERTa, ELECTRA, MPNet, DeBERTa-v2 and their many relatives."""


def _is_block_output(module: nn.Module) -> bool:
    return {name: type(child) for name, child in module.named_children()} == _BLOCK_OUTPUT


def _is_norm(module: nn.Module) -> bool:
    return type(module) is nn.LayerNorm and module.weight is not None and module.bias is not None


def _block_output(
    module: Any, compute: Compute, hidden_states: Tensor, input_tensor: Tensor
) -> Tensor:
    """`LayerNorm(dropout(dense(hidden_states)) + input_tensor)`."""
    dense = module.dense(hidden_states)
    return residual_norm(module.LayerNorm, module.dropout, compute, dense, input_tensor)


def _under_autocast(model: PreTrainedModel, *args: Any, **kwargs: Any) -> Any:
    """The model's own forward; autocast casts where bf16 meets a layer that was not replaced."""
    with torch.autocast("cpu", torch.bfloat16):
        return type(model).forward(model, *args, **kwargs)


def _attention_interface(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_unused: Any,
) -> tuple[Tensor, None]:
    """Hugging Face's attention interface: -> (batch, length, heads, head size), and no weights.

    A plain model gets here as well if it was built from the config of a fast one.
    """
    compute = vars(module).get("steep_compute")
    if compute is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal=False
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    groups = query.shape[1] // key.shape[1]
    if groups > 1:  # grouped-query attention: several heads share a key and a value
        key, value = (states.repeat_interleave(groups, 1) for states in (key, value))
    reading = reading_for(module, compute)
    if reading is None:
        return attention(compute, query, key, value, attention_mask, dropout, scaling), None
    length, query = query.shape[2], query[:, :, : reading.most]
    # A mask of padding is the same for every query; any other has to move with the queries.
    if attention_mask is not None and attention_mask.shape[2] > 1:
        attention_mask = reading.of_queries(attention_mask)
    some = attention(compute, query, key, value, attention_mask, dropout, scaling)
    # The model reshapes to the full length; what is filled in is not read.
    return nn.functional.pad(some, (0, 0, 0, 0, 0, length - reading.most)), None


def _mask_interface(
    mask_function: Callable[..., Any], attention_mask: Tensor | None, **arguments: Any
) -> Tensor | None:
    """Hugging Face's mask interface: (batch, 1, 1, length) for padding alone, else as for sdpa."""
    # sdpa's mask would be (batch, 1, length, length), with the same row for every query.
    if mask_function is bidirectional_mask_function and attention_mask is not None:
        return None if attention_mask.all() else attention_mask.bool()[:, None, None, :]
    # For sdpa, a causal mask may be left out and `is_causal` set; our attention has no such flag.
    arguments["allow_is_causal_skip"] = False
    return sdpa_mask(mask_function=mask_function, attention_mask=attention_mask, **arguments)


AttentionInterface.register(ATTENTION, _attention_interface)
AttentionMaskInterface.register(ATTENTION, _mask_interface)
