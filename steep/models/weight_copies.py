"""How are all weights of a model copied, and put back? Parameters and buffers, each once."""

import torch
from torch import Tensor, nn


def named_weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that belong to a checkpoint, each once though it has several names."""
    own = model.state_dict()
    buffers = {name: value for name, value in model.named_buffers() if name in own}
    return dict(model.named_parameters()) | buffers


def copied_weights(model: nn.Module) -> dict[str, Tensor]:
    """`named_weights` as they are now, on the CPU: what `restore_weights` takes."""
    return {name: value.detach().cpu().clone() for name, value in named_weights(model).items()}


def restore_weights(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Set the weights of `model` to those of `weights`, in place."""
    with torch.no_grad():
        for name, value in named_weights(model).items():
            value.copy_(weights[name])
