"""How do batches enter a Hugging Face model, and logits leave it? Thin modules around it.

A fastai `Learner` calls `model(*inputs)` with tensors; a Hugging Face model wants keywords.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from inspect import signature

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from steep.models import kernels
from steep.models.families import knows_segments
from steep.models.feature_cache import FeatureCache
from steep.models.long_texts import WindowPooling, logits_of_windows

SEGMENTS = "token_type_ids"
CHANNELS = ("input_ids", "attention_mask", SEGMENTS)


class Classifier(nn.Module):
    """`batch` int64 (rows, 2 or 3, length) of ids, mask and segments -> logits (rows, labels).

    With `window_pooling`, `batch` is (rows, most windows, 2 or 3, length); windows without a token
    of mask 1 only fill up, and are not computed. What is known of rows in `cache` is not computed
    again; of the last layer, only what the head reads is computed.
    """

    cache: FeatureCache | None = None

    def __init__(
        self, model: PreTrainedModel, autocast: bool, window_pooling: WindowPooling | None = None
    ) -> None:
        super().__init__()
        self.model, self.autocast, self.window_pooling = model, autocast, window_pooling
        self.reads_first = kernels.reads_first(model)
        self.channels = channels_of(model)

    def forward(self, batch: Tensor) -> Tensor:
        with _autocast(batch, self.autocast):
            if self.window_pooling is None:
                inputs = _keywords(batch, self.channels)
                with self._computing(inputs):
                    return self.model(**inputs).logits.float()
            real = batch[:, :, 1].any(-1)
            inputs = _keywords(batch[real], self.channels)
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


class Shared(nn.Module):
    """Classifiers of several tasks around one encoder: a batch and its task -> logits.

    The first one's encoder, which is `model`'s, becomes that of all. Sun et al. 2019, section 5.5.
    """

    def __init__(self, models: Sequence[PreTrainedModel], autocast: bool) -> None:
        super().__init__()
        self.model = models[0]
        for other in models[1:]:
            setattr(other, other.base_model_prefix, self.model.base_model)
        self.tasks = nn.ModuleList(Classifier(model, autocast) for model in models)

    def forward(self, batch: Tensor, which: Tensor) -> Tensor:
        """`which`: int64 (), the number of the task."""
        return self.tasks[int(which)](batch)


class MaskedLM(nn.Module):
    """`batch` as above and `positions` int64 (m,) in the flattened batch -> logits (m, vocabulary).

    `outputs` names what is taken of the model's outputs, these logits first. Where there are more,
    all come as a tuple, the further ones as the model gives them.

    Only the masked positions pass through the head: the vocabulary projection over all positions
    costs a small model more than its encoder. Heads work position by position, so gathering before
    the head gives the logits that gathering after it would.
    """

    def __init__(
        self, model: PreTrainedModel, autocast: bool, outputs: Sequence[str] = ("logits",)
    ) -> None:
        super().__init__()
        self.model, self.autocast, self.outputs = model, autocast, tuple(outputs)
        self.positions: Tensor | None = None
        self.channels = channels_of(model)
        # Between encoder and head, in any model: the head sees the masked positions alone.
        model.base_model.register_forward_hook(self._gather)

    def forward(self, batch: Tensor, positions: Tensor) -> Tensor | tuple[Tensor, ...]:
        self.positions = positions
        with _autocast(batch, self.autocast), self._reading(batch):
            found = self.model(**_keywords(batch, self.channels))
        self.positions = None
        masked, *further = (found[name] for name in self.outputs)
        masked = masked.squeeze(0)
        return (masked, *further) if further else masked

    def _reading(self, batch: Tensor) -> AbstractContextManager:
        if len(self.outputs) > 1:  # a further head may read any position
            return nullcontext()
        return kernels.reading(self.model, batch[:, 0].shape, self.positions)

    def _gather(self, encoder: nn.Module, inputs: tuple, output: dict) -> dict:
        if self.positions is not None:
            hidden = output["last_hidden_state"]
            # A first dimension that is squeezed away again: the backward pass copies no logits so.
            output["last_hidden_state"] = hidden.flatten(0, 1)[self.positions].unsqueeze(0)
        return output


class Pooled(nn.Module):
    """`batch` int64 (rows, 2 or 3, length) -> the mean of the encoder's last layer, (rows, hidden).

    Special tokens count, as in sentence-transformers' mean pooling.
    """

    def __init__(self, model: PreTrainedModel, autocast: bool) -> None:
        super().__init__()
        self.model, self.autocast, self.channels = model, autocast, channels_of(model)

    def forward(self, batch: Tensor) -> Tensor:
        with _autocast(batch, self.autocast):
            hidden = self.model.base_model(**_keywords(batch, self.channels)).last_hidden_state
        real = batch[:, 1, :, None]
        return (hidden.float() * real).sum(1) / real.sum(1)


def _keywords(batch: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
    """The channels of a batch by name, without those that the model does not know."""
    given = zip(CHANNELS, batch.unbind(1), strict=False)
    return {name: part for name, part in given if name in channels}


def channels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """What a batch may hold for this model: segments only where it knows more than one.

    Tokenizers may give them all the same: many checkpoints of DistilBERT come with BERT's.
    """
    known = signature(type(model.base_model).forward).parameters
    return tuple(name for name in CHANNELS if name in known and _is_of_use(name, model))


def _is_of_use(channel: str, model: PreTrainedModel) -> bool:
    return channel != SEGMENTS or knows_segments(model)


def _autocast(batch: Tensor, enabled: bool) -> AbstractContextManager:
    """bf16 for matrix products, fp32 for weights and sums; on any device."""
    return torch.autocast(batch.device.type, torch.bfloat16, enabled=enabled)


def rescale_output(model: PreTrainedModel, scale: Sequence[float], shift: Sequence[float]) -> None:
    """Fold `output * scale + shift`, of each output, into the last linear layer, in place."""
    encoder = {id(module) for module in model.base_model.modules()}
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and id(m) not in encoder]
    last = next(layer for layer in reversed(linear) if layer.out_features == len(scale))
    factor = torch.tensor(scale).to(last.weight)
    with torch.no_grad():
        last.weight.mul_(factor[:, None])
        last.bias.mul_(factor).add_(torch.tensor(shift).to(last.bias))
