"""What does a classifier read of its encoder? Poolings of hidden states, and a linear head."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from steep.errors import SteepError
from steep.models.checkpoint_files import CheckpointFiles
from steep.models.loading import LoadedModel, Unusable, filled
from steep.wording import quoted

DROPOUT = 0.1  # before the linear head, as BERT's
MODEL_TYPE = "steep_pooled"  # what config.json says, with the encoder's own in ENCODER_TYPE
ENCODER_TYPE = "steep_encoder_type"
LAST = 4  # layers whose [CLS] are joined: the best of Sun et al. 2019, table 3


class Pooling(nn.Module):
    """One of `POOLINGS` as a module, so that what it gives can be kept, or replaced."""

    def __init__(self, pool: "Pool") -> None:
        super().__init__()
        self.pool = pool

    def forward(self, encoded: Any, mask: Tensor) -> Tensor:
        return self.pool(encoded, mask)


class PooledClassifier(PreTrainedModel):
    """Any encoder, one of `POOLINGS`, and a linear layer: keywords of a batch -> `logits`.

    No class of transformers has such a head: one that loaded the rest would put random weights in
    its place, and predict. So the folder names a model type that transformers refuses.
    """

    _supports_sdpa = _supports_attention_backend = True

    def __init__(self, encoder: PreTrainedModel) -> None:
        config: Any = encoder.config
        super().__init__(config)
        self.base_model_prefix = encoder.base_model_prefix or "encoder"
        pool, width = POOLINGS[config.steep_pooling.partition(":")[0]]
        config.output_hidden_states = pool is _last4
        self.supports_gradient_checkpointing = encoder.supports_gradient_checkpointing
        if "pooler" in dict(encoder.named_children()):
            encoder.register_module("pooler", None)  # not read, so it would get no gradient
        self.add_module(self.base_model_prefix, encoder)
        self.pooling = Pooling(pool)
        self.dropout = nn.Dropout(DROPOUT)
        self.pooled_head = nn.Linear(width * config.hidden_size, config.num_labels)
        nn.init.normal_(self.pooled_head.weight, std=0.02)
        nn.init.zeros_(self.pooled_head.bias)
        self.all_tied_weights_keys: dict[str, str] = {}

    def save_pretrained(  # type: ignore[override]  # its arguments differ by version
        self, save_directory: str | Path, **options: Any
    ) -> None:
        """As in transformers, but for the model type."""
        super().save_pretrained(save_directory, **options)
        path = Path(save_directory) / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config |= {"model_type": MODEL_TYPE, ENCODER_TYPE: config["model_type"]}
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def forward(self, attention_mask: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """`attention_mask`, `input_ids` (and `token_type_ids`): int64 (rows, length)."""
        encoded = self.base_model(attention_mask=attention_mask, **inputs)
        pooled = self.pooling(encoded, attention_mask)
        return SequenceClassifierOutput(logits=self.pooled_head(self.dropout(pooled)))


def set_pooling(config: PreTrainedConfig, pooling: str) -> None:
    """Note in a checkpoint's configuration what its head will read; SteepError if that cannot be.

    `layer:K` cuts the layers above K off: nothing would read them.
    """
    name, _, number = pooling.partition(":")
    layers = config.num_hidden_layers
    if name == "layer":
        if number not in map(str, range(1, layers + 1)):
            raise SteepError(f"pooling {quoted(pooling)}: choose layer:1 to layer:{layers}.")
        config.num_hidden_layers = int(number)
    elif number or name not in POOLINGS:
        known = ", ".join(key for key in POOLINGS if key != "layer")
        raise SteepError(f"pooling {quoted(pooling)}: must be model, {known} or layer:K.")
    elif name == "last4" and layers < LAST:
        raise SteepError(f"pooling last4: the checkpoint has {layers} layers only.")
    config.steep_pooling = pooling


def is_pooled(config: Mapping[str, Any]) -> bool:
    """Whether this config.json is of a checkpoint that `PooledClassifier.save_pretrained` wrote."""
    return config.get("model_type") == MODEL_TYPE


def load_pooled(files: CheckpointFiles, attention: str) -> LoadedModel:
    """A classifier as `PooledClassifier.save_pretrained` wrote it; SteepError as `load_model`."""
    content = {key: value for key, value in files.config.items() if key != "model_type"}
    with Unusable(files.name):
        config = AutoConfig.for_model(content.pop(ENCODER_TYPE), **content)
        encoder = AutoModel.from_config(config, attn_implementation=attention, dtype=torch.float32)
        model = PooledClassifier(encoder)
    return filled(model.eval(), files)


def _cls(encoded: Any, mask: Tensor) -> Tensor:
    return encoded.last_hidden_state[:, 0]


def _mean(encoded: Any, mask: Tensor) -> Tensor:
    hidden, real = encoded.last_hidden_state.float(), mask[:, :, None].float()
    return (hidden * real).sum(1) / real.sum(1).clamp(min=1)


def _max(encoded: Any, mask: Tensor) -> Tensor:
    hidden = encoded.last_hidden_state.float()
    return hidden.masked_fill(mask[:, :, None] == 0, float("-inf")).amax(1)


def _concat(encoded: Any, mask: Tensor) -> Tensor:
    return torch.cat([_cls(encoded, mask).float(), _mean(encoded, mask), _max(encoded, mask)], 1)


def _last4(encoded: Any, mask: Tensor) -> Tensor:
    return torch.cat([hidden[:, 0] for hidden in encoded.hidden_states[-LAST:]], 1)


Pool = Callable[[Any, Tensor], Tensor]
POOLINGS: dict[str, tuple[Pool, int]] = {
    "cls": (_cls, 1),
    "mean": (_mean, 1),
    "last4": (_last4, LAST),
    "concat": (_concat, 3),
    "layer": (_cls, 1),
}
"""Each (encoder output, mask (rows, length)) -> (rows, width * hidden), with its width.

concat: ULMFiT section 3.3 with [CLS] for the last state; last4, layer: Sun et al. 2019, 5.3.2.
"""
