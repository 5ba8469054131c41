"""How does transformers' own BERT classifier read a mean? By one more layer, which averages.

`BertForSequenceClassification` reads [CLS] alone, so a head that reads the mean of all tokens would
need a class of Steep's own, and no pipeline could load it. A layer of zero queries and keys attends
to all tokens alike and copies them; what it gives is so large that the [CLS] beside it does not
count; its LayerNorm leaves the layer-normalised mean, at every position. A pooler of a small
multiple of the identity is linear, since tanh x is x near 0. Logits are Steep's but for some
thousandths, and the mean over this layer, a sentence embedding, keeps its direction.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from steep.models.checkpoint_files import CheckpointFiles

LOUD, QUIET = 2.0**11, 2.0**-7  # powers of two round nothing; in fp16 a mean may reach 32
LAYERS, POOLER, HEAD = "bert.encoder.layer.", "bert.pooler.dense.", "classifier."
EYES = {"attention.self.value": 1.0, "attention.output.dense": LOUD}
ZEROS = ("attention.self.query", "attention.self.key")


def possible(config: PreTrainedConfig) -> bool:
    """Whether the encoder is a BERT that such a layer averages: no decoder, absolute positions."""
    return config.model_type == "bert" and not config.is_decoder


def averaging_bert(encoder: PreTrainedModel, head: nn.Linear) -> BertForSequenceClassification:
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
    """Whether the last layer and the pooler of a checkpoint are as `averaging_bert` makes them.

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


def without_layer(weights: dict[str, Tensor]) -> dict[str, Tensor]:
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
