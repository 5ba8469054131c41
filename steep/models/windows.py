"""How do the windows of a long text become one answer? Their features are joined before the head.

Sun et al. 2019, section 5.3.1 (hierarchical methods): what the classifier's last layer reads of
every window is joined by mean, maximum or attention, and trained end to end. The mean of features
is, but for dropout, that of the windows' logits, since the layer is linear. A text of one window is
read as ever, so the checkpoint is also a plain classifier of windows.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from steep import runs
from steep.data.long import SLIDING
from steep.errors import SteepError


class Joined(nn.Module):
    """Features (windows, width) of the windows of all rows -> (rows, width).

    Attention gives each window a weight by a learnt vector, which starts at zero: as the mean.
    """

    def __init__(self, how: str, width: int) -> None:
        super().__init__()
        self.how = how
        if how == "attention":
            self.query = nn.Linear(width, 1, bias=False)
            nn.init.zeros_(self.query.weight)

    def forward(self, features: Tensor, real: Tensor) -> Tensor:
        """`real` bool (rows, most windows): in which places there is a window, row by row."""
        laid = features.new_zeros(*real.shape, features.shape[-1], dtype=torch.float32)
        laid[real] = features.float()
        if self.how == "max":
            joined = laid.masked_fill(~real[..., None], float("-inf")).amax(1)
        else:
            scores = self.query(laid)[..., 0] if self.how == "attention" else laid[..., 0] * 0
            shares = scores.masked_fill(~real, float("-inf")).softmax(1)
            joined = (shares[..., None] * laid).sum(1)
        return joined.to(features.dtype)

    def save(self, folder: Path) -> None:
        """Write the weights beside the checkpoint; nothing where there are none."""
        if self.how == "attention":
            save_file(self.state_dict(), folder / runs.WINDOWS)


def joining(truncation: str, model: PreTrainedModel) -> Joined | None:
    """The module that joins windows as `truncation` says; None where it reads no windows."""
    if not truncation.startswith(SLIDING):
        return None
    return Joined(truncation.removeprefix(SLIDING), last_linear(model).in_features)


def load_joined(folder: Path, truncation: str, model: PreTrainedModel) -> Joined | None:
    """`joining`, as it was trained. Raises SteepError if its file is missing or another's."""
    joined = joining(truncation, model)
    if joined is None or joined.how != "attention":
        return joined
    path = folder / runs.WINDOWS
    try:
        joined.load_state_dict(load_file(path))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SteepError(f"{path}: the attention over windows cannot be read: {reason}") from None
    return joined


def read(model: PreTrainedModel, inputs: dict[str, Tensor], joined: Joined, real: Tensor) -> Tensor:
    """Logits (rows, labels) of rows whose windows are `inputs`, each (windows, length)."""

    def join(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (joined(given[0], real), *given[1:])

    hook = last_linear(model).register_forward_pre_hook(join)
    try:
        return model(**inputs).logits
    finally:
        hook.remove()


def last_linear(model: PreTrainedModel) -> nn.Linear:
    """The layer that gives a classifier's logits; SteepError where the last one is no linear."""
    encoder = {id(module) for module in model.base_model.modules()}
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and id(m) not in encoder]
    found = [layer for layer in linear if layer.out_features == model.config.num_labels]
    if not found:
        raise SteepError(
            f"{type(model).__name__} has no linear layer at its end, so windows cannot be joined. "
            "Choose --pooling mean, or --truncation head+tail."
        )
    return found[-1]
