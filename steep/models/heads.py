"""How do rows enter a Hugging Face model, and answers leave it? Thin modules; rows in batches.

A fastai `Learner` calls `model(*inputs)` with tensors; a Hugging Face model wants keywords.

Of a long text, what the classifier's last layer reads of every window is pooled by mean or maximum,
and trained end to end (Sun et al. 2019, section 5.3.1, hierarchical methods). The mean of features
is, but for dropout, that of the windows' logits, since the layer is linear. A text of one window is
read as ever, so the checkpoint is also a plain classifier of windows.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from steep.console import track
from steep.data.batches import by_length
from steep.data.inputs import SLIDING, Rows
from steep.errors import SteepError
from steep.models import kernels
from steep.models.devices import Machine
from steep.models.families import knows_segments


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


SEGMENTS = "token_type_ids"
CHANNELS = ("input_ids", "attention_mask", SEGMENTS)


class Cache(Protocol):
    """What is known already of some rows."""

    def reused(self, inputs: dict[str, Tensor]) -> AbstractContextManager[None]:
        """While this lasts, what is known of `inputs` is not computed."""


class Classifier(nn.Module):
    """`batch` int64 (rows, 2 or 3, length) of ids, mask and segments -> logits (rows, labels).

    With `window_pooling`, `batch` is (rows, most windows, 2 or 3, length); windows without a token
    of mask 1 only fill up, and are not computed. What is known of rows in `cache` is not computed
    again; of the last layer, only what the head reads is computed.
    """

    cache: Cache | None = None

    def __init__(
        self,
        model: PreTrainedModel,
        autocast: torch.dtype | None,
        window_pooling: WindowPooling | None = None,
    ) -> None:
        super().__init__()
        self.model, self.autocast, self.window_pooling = model, autocast, window_pooling
        keep_full_output(model)
        self.reads_first = kernels.reads_first(model)
        self.channels = channels_of(model)

    def forward(self, batch: Tensor) -> Tensor:
        with autocasting(batch, self.autocast):
            if self.window_pooling is None:
                inputs = keywords(batch, self.channels)
                with self._computing(inputs):
                    return self.model(**inputs).logits.float()
            real = batch[:, :, 1].any(-1)
            inputs = keywords(batch[real], self.channels)
            with self._computing(inputs):
                return logits_of_windows(self.model, inputs, self.window_pooling, real).float()

    def _computing(self, inputs: dict[str, Tensor]) -> ExitStack:
        """While this lasts, nothing is computed that is known already, or that nobody reads."""
        stack = ExitStack()
        if self.cache is not None:
            stack.enter_context(self.cache.reused(inputs))
        if self.reads_first:
            stack.enter_context(kernels.reading(self.model, inputs["input_ids"].shape))
        return stack


class Pooled(nn.Module):
    """`batch` int64 (rows, 2 or 3, length) -> the mean of the encoder's last layer, (rows, hidden).

    Special tokens count, as in sentence-transformers' mean pooling.
    """

    def __init__(self, model: PreTrainedModel, autocast: torch.dtype | None) -> None:
        super().__init__()
        self.model, self.autocast, self.channels = model, autocast, channels_of(model)

    def forward(self, batch: Tensor) -> Tensor:
        with autocasting(batch, self.autocast):
            hidden = self.model.base_model(**keywords(batch, self.channels)).last_hidden_state
        real = batch[:, 1, :, None]
        return (hidden.float() * real).sum(1) / real.sum(1)


def keywords(batch: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
    """The channels of a batch by name, without those that the model does not know."""
    given = zip(CHANNELS, batch.unbind(1), strict=False)
    return {name: part for name, part in given if name in channels}


def channels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """What a batch may hold for this model: segments only where it knows more than one.

    Tokenizers may give them all the same: many checkpoints of DistilBERT come with BERT's.
    """
    known = signature(type(model.base_model).forward).parameters
    useless = () if knows_segments(model) else (SEGMENTS,)
    return tuple(name for name in CHANNELS if name in known and name not in useless)


def autocasting(batch: Tensor, half: torch.dtype | None) -> AbstractContextManager:
    """16 bits for matrix products, if a type of them is given; fp32 for weights and sums."""
    return torch.autocast(batch.device.type, half or torch.bfloat16, enabled=half is not None)


def keep_full_output(model: PreTrainedModel) -> None:
    """Let the last linear layer compute in fp32, in place: it costs nothing, and 16 bits do harm.

    Of a regression it holds the mean of the targets (`rescale_output`): bf16 has three digits, so
    that all years from 1990 to 1998 would be two, and fp16 ends at 65,504.
    """
    with suppress(SteepError):  # another layer is the last
        last = last_linear(model)
        last.forward = partial(kernels.full_linear, last)  # type: ignore[method-assign]


def rescale_output(model: PreTrainedModel, scale: Sequence[float], shift: Sequence[float]) -> None:
    """Fold `output * scale + shift`, of each output, into the last linear layer, in place."""
    last = last_linear(model)
    factor = torch.tensor(scale).to(last.weight)
    with torch.no_grad():
        last.weight.mul_(factor[:, None])
        last.bias.mul_(factor).add_(torch.tensor(shift).to(last.bias))


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


def predict(
    model: PreTrainedModel,
    rows: Rows,
    machine: Machine,
    batch_size: int,
    window_pooling: WindowPooling | None = None,
) -> np.ndarray:
    """Probabilities (rows, labels), or targets (rows,), in the order of the corpus.

    `window_pooling` pools the windows of rows that have several; a batch then has fewer rows.
    """
    is_fast = machine.fast and kernels.compute_of(model) is not None
    prepared = model if is_fast else machine.prepare(model, 0)  # not to draw its dropout anew
    classifier = Classifier(prepared, machine.autocast, window_pooling).eval().to(machine.device)

    def logits(inputs: np.ndarray) -> Tensor:
        return classifier(torch.from_numpy(inputs).to(machine.device))

    with torch.inference_mode():
        return in_batches(logits, rows, max(1, batch_size // rows.most))


def in_batches(logits: Callable[[np.ndarray], Tensor], rows: Rows, batch_size: int) -> np.ndarray:
    """What `logits` says of inputs int64 (rows, 2 or 3, length), as probabilities or targets.

    Batches hold texts of like length; the result is in the order of the corpus.
    """

    def answers(inputs: np.ndarray) -> Tensor:
        return activation(logits(inputs), rows.task.kind)

    return _by_length(answers, rows, batch_size, "predicting")


def _by_length(
    compute: Callable[[np.ndarray], Tensor], rows: Rows, batch_size: int, told: str = ""
) -> np.ndarray:
    """What `compute` gives for inputs of like length, in the order of the corpus."""
    order = by_length(rows.lengths)  # little padding; if memory runs out, it does so at once
    batches = np.split(order, range(batch_size, len(order), batch_size))
    found = []
    for members in track(batches, len(batches), told) if told else batches:
        found.append(compute(rows.collate([rows[i] for i in members])[0]).cpu())
    return torch.cat(found).numpy()[np.argsort(order)]


def activation(logits: Tensor, kind: str) -> Tensor:
    """Logits (rows, labels) as class probabilities, label probabilities, or targets.

    Targets are (rows,) where there is one, else (rows, targets).
    """
    if kind == "single":
        return logits.softmax(-1)
    if kind == "multi":
        return logits.sigmoid()
    return logits[:, 0] if logits.shape[1] == 1 else logits


def features(
    model: PreTrainedModel,
    rows: Rows,
    autocast: torch.dtype | None,
    device: torch.device,
    batch_size: int = 64,
) -> np.ndarray:
    """The mean of the last layer over each text's tokens, float32 (rows, hidden), without dropout.

    In the order of the corpus. The model stays as it is, in training or not.
    """
    training = model.training
    pooled = Pooled(model, autocast).eval().to(device)
    with torch.inference_mode():
        found = _by_length(
            lambda inputs: pooled(torch.from_numpy(inputs).to(device)), rows, batch_size
        )
    model.train(training)  # as it was: this may be in the middle of a training
    return found
