"""How do the windows of a long text become one answer? Their features are pooled before the head.

Sun et al. 2019, section 5.3.1 (hierarchical methods): what the classifier's last layer reads of
every window is pooled by mean or maximum, and trained end to end. The mean of features is, but for
dropout, that of the windows' logits, since the layer is linear. A text of one window is read as
ever, so the checkpoint is also a plain classifier of windows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from steep.data.inputs import SLIDING
from steep.errors import SteepError


@dataclass(frozen=True)
class WindowPooling:
    """Features (windows, width) of the windows of all rows -> (rows, width), by mean or max."""

    how: str

    def __call__(self, features: Tensor, real: Tensor) -> Tensor:
        """`real` bool (rows, most windows): in which places there is a window, row by row."""
        laid = features.new_zeros(*real.shape, features.shape[-1], dtype=torch.float32)
        laid[real] = features.float()
        if self.how == "max":
            pooled = laid.masked_fill(~real[..., None], float("-inf")).amax(1)
        else:
            shares = real / real.sum(1, keepdim=True)
            pooled = (shares[..., None] * laid).sum(1)
        return pooled.to(features.dtype)


def window_pooling(truncation: str, model: PreTrainedModel) -> WindowPooling | None:
    """How `truncation` pools windows; None where it reads no windows.

    Raises SteepError where the model has no linear layer to pool in front of.
    """
    if not truncation.startswith(SLIDING):
        return None
    last_linear(model)
    return WindowPooling(truncation.removeprefix(SLIDING))


def logits_of_windows(
    model: PreTrainedModel, inputs: dict[str, Tensor], pooling: WindowPooling, real: Tensor
) -> Tensor:
    """Logits (rows, labels) of rows whose windows are `inputs`, each (windows, length)."""

    def pool(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (pooling(given[0], real), *given[1:])

    # Between head and last layer, in any model: its own forward pass stays as it is.
    hook = last_linear(model).register_forward_pre_hook(pool)
    try:
        return model(**inputs).logits
    finally:
        hook.remove()


def last_linear(model: PreTrainedModel) -> nn.Linear:
    """The layer that gives a classifier's logits; SteepError where the last one is not linear."""
    encoder = {id(module) for module in model.base_model.modules()}
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and id(m) not in encoder]
    found = [layer for layer in linear if layer.out_features == model.config.num_labels]
    if not found:
        raise SteepError(
            f"{type(model).__name__} has no linear layer at its end, so windows cannot be pooled. "
            "Choose --pooling mean, or --truncation head+tail."
        )
    return found[-1]
