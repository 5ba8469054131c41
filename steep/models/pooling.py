"""What does a classifier's head read of its encoder, and how is that kept for transformers?

`BertForSequenceClassification` reads [CLS] alone, so a head that reads the mean of all tokens would
need a class of Steep's own, and no pipeline could load it. A layer of zero queries and keys attends
to all tokens alike and copies them; what it gives is so large that the [CLS] beside it does not
count; its LayerNorm leaves the layer-normalised mean, at every position. A pooler of a small
multiple of the identity is linear, since tanh x is x near 0. Logits are Steep's but for some
thousandths, and the mean over this layer, a sentence embedding, keeps its direction.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from steep.errors import SteepError
from steep.models.checkpoint_files import CheckpointFiles
from steep.models.hub import OWN_HEAD
from steep.models.loading import LoadedModel, Unusable, filled
from steep.wording import quoted

DROPOUT = 0.1  # before the linear head, as BERT's, where the configuration names none
NORMED = "normed-mean"  # what --pooling mean is in config.json; "mean", without norm, in old ones
ENCODER_TYPE = "steep_encoder_type"  # beside OWN_HEAD, the encoder's own
LOUD, QUIET = 2.0**11, 2.0**-7  # powers of two round nothing; in fp16 a mean may reach 32
LAYERS, POOLER, HEAD = "bert.encoder.layer.", "bert.pooler.dense.", "classifier."
EYES = {"attention.self.value": 1.0, "attention.output.dense": LOUD}
ZEROS = ("attention.self.query", "attention.self.key")
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

    Of a BERT that is pooled by its mean, the folder is one of transformers (`_averaging_bert`). Of
    others no class of transformers has such a head: one that loaded the rest would put random
    weights in its place, and predict. So the folder names a model type that transformers refuses.
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
        self.dropout = nn.Dropout(config.to_dict().get("hidden_dropout_prob", DROPOUT))
        self.pooled_head = nn.Linear(width * config.hidden_size, config.num_labels)
        nn.init.normal_(self.pooled_head.weight, std=0.02)
        nn.init.zeros_(self.pooled_head.bias)
        self.all_tied_weights_keys: dict[str, str] = {}

    def save_pretrained(  # type: ignore[override]  # its arguments differ by version
        self, save_directory: str | Path, **options: Any
    ) -> None:
        """As a classifier of transformers, or as such a one with a model type of its own."""
        if can_average(self.config) and self.config.steep_pooling == NORMED:
            bert = _averaging_bert(self.base_model, self.pooled_head)  # type: ignore[arg-type]
            bert.save_pretrained(save_directory, **options)
            return
        super().save_pretrained(save_directory, **options)
        path = Path(save_directory) / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config |= {"model_type": OWN_HEAD, ENCODER_TYPE: config["model_type"]}
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
    elif number or name == NORMED or name not in POOLINGS:
        known = ", ".join(key for key in POOLINGS if key not in ("layer", NORMED))
        raise SteepError(f"pooling {quoted(pooling)}: must be model, {known} or layer:K.")
    elif name == "last4" and layers < LAST:
        raise SteepError(f"pooling last4: the checkpoint has {layers} layers only.")
    config.steep_pooling = NORMED if pooling == "mean" else pooling


def load_pooled(files: CheckpointFiles, attention: str | None) -> LoadedModel:
    """A classifier as `PooledClassifier.save_pretrained` wrote it; SteepError as `load_model`."""
    content, extra = dict(files.config), averages(files)
    kind = content.pop("model_type")
    with Unusable(files.name):
        config = AutoConfig.for_model(content.pop(ENCODER_TYPE, kind), **content)
        config.num_hidden_layers -= extra
        encoder = AutoModel.from_config(config, attn_implementation=attention, dtype=torch.float32)
        model = PooledClassifier(encoder)
    return filled(model.eval(), files, _without_layer if extra else None)


def _cls(encoded: Any, mask: Tensor) -> Tensor:
    return encoded.last_hidden_state[:, 0]


def _mean(encoded: Any, mask: Tensor) -> Tensor:
    hidden, real = encoded.last_hidden_state.float(), mask[:, :, None].float()
    return (hidden * real).sum(1) / real.sum(1).clamp(min=1)


def _normed(encoded: Any, mask: Tensor) -> Tensor:
    mean = _mean(encoded, mask)
    return layer_norm(mean, mean.shape[-1:], eps=1e-12)


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
    NORMED: (_normed, 1),
    "last4": (_last4, LAST),
    "concat": (_concat, 3),
    "layer": (_cls, 1),
}
"""Each (encoder output, mask (rows, length)) -> (rows, width * hidden), with its width.

concat: ULMFiT section 3.3 with [CLS] for the last state; last4, layer: Sun et al. 2019, 5.3.2.
"""


def can_average(config: PreTrainedConfig) -> bool:
    """Whether the encoder is a BERT that such a layer averages: no decoder, absolute positions."""
    return config.model_type == "bert" and not config.is_decoder


def _averaging_bert(encoder: PreTrainedModel, head: nn.Linear) -> BertForSequenceClassification:
    """transformers' classifier that computes `head` of the layer-normalised mean of `encoder`."""
    config = BertConfig.from_dict(encoder.config.to_dict())
    config.num_hidden_layers += 1
    with torch.random.fork_rng(devices=[]):  # what is drawn is replaced below
        model = BertForSequenceClassification(config).eval()
    own = {f"bert.{name}": weight for name, weight in encoder.state_dict().items()}
    own |= _layer(config) | {f"{HEAD}weight": head.weight / QUIET, f"{HEAD}bias": head.bias}
    model.load_state_dict(own, strict=True)
    return model


def averages(files: CheckpointFiles) -> bool:
    """Whether the last layer and the pooler of a checkpoint are as `_averaging_bert` makes them.

    They are not where it was trained on by others: then it is a classifier of transformers alone.
    """
    if not str(files.config.get("steep_pooling")).startswith("normed"):
        return False
    if files.config["model_type"] != "bert":
        return False
    wanted = _layer(BertConfig.from_dict(dict(files.config)))
    if not wanted.keys() <= files.shapes.keys():
        return False
    held: dict[str, Tensor] = {}
    for path in files.weights:
        with safe_open(path, "pt") as file:
            held |= {key: file.get_tensor(key) for key in wanted.keys() & set(file.keys())}
    return all(torch.equal(held[key].float(), value) for key, value in wanted.items())


def encoder_alone(files: CheckpointFiles) -> CheckpointFiles:
    """The files of such a checkpoint, without what was added to the encoder."""
    added = _added(files.shapes)
    return replace(files, shapes={k: v for k, v in files.shapes.items() if not k.startswith(added)})


def _without_layer(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a `PooledClassifier` from those of an averaging BERT."""
    added = _added(weights)
    kept = {key: value for key, value in weights.items() if not key.startswith(added)}
    head = weights[f"{HEAD}weight"].float() * QUIET
    return kept | {"pooled_head.weight": head, "pooled_head.bias": weights[f"{HEAD}bias"]}


def _added(names: Iterable[str]) -> tuple[str, ...]:
    """What the names of weights begin with that are not the encoder's own."""
    last = max(int(name.split(".")[3]) for name in names if name.startswith(LAYERS))
    return f"{LAYERS}{last}.", POOLER, HEAD


def _layer(config: BertConfig) -> dict[str, Tensor]:
    """The weights of the last layer and of the pooler, by name."""
    width, inner, prefix = (
        config.hidden_size,
        config.intermediate_size,
        f"{LAYERS}{config.num_hidden_layers - 1}.",
    )
    eye, none = torch.eye(width), torch.zeros(width)
    found = {f"{name}.weight": size * eye for name, size in EYES.items()}
    found |= {f"{name}.weight": torch.zeros(width, width) for name in ZEROS}
    found |= {f"{name}.bias": none for name in (*EYES, *ZEROS, "output.dense")}
    found["intermediate.dense.weight"] = torch.zeros(inner, width)
    found["intermediate.dense.bias"] = torch.zeros(inner)
    found["output.dense.weight"] = torch.zeros(width, inner)
    for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
        found |= {f"{norm}.weight": torch.ones(width), f"{norm}.bias": none}
    layer = {prefix + name: weight for name, weight in found.items()}
    return layer | {f"{POOLER}weight": QUIET * eye, f"{POOLER}bias": none}
