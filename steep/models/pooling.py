"""What does a classifier's head read of its encoder, and how is it kept where that is frozen?

A frozen encoder has no dropout, so what it gives for a row is a constant. Of a `PooledClassifier`
the pooled vector is kept, of a checkpoint's own head the outputs of the last layer, which it may
read in any way. A row is known by its tokens, so batches may come in any order and padding.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from steep.errors import SteepError
from steep.models import averaging
from steep.models.checkpoint_files import CheckpointFiles
from steep.models.families import encoder_layers
from steep.models.hub import OWN_HEAD
from steep.models.loading import LoadedModel, Unusable, filled
from steep.wording import quoted

DROPOUT = 0.1  # before the linear head, as BERT's
NORMED = "normed-mean"  # what --pooling mean is in config.json; "mean", without norm, in old ones
ENCODER_TYPE = "steep_encoder_type"  # beside OWN_HEAD, the encoder's own
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

    Of a BERT that is pooled by its mean, the folder is one of transformers (`averaging`). Of others
    no class of transformers has such a head: one that loaded the rest would put random weights in
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
        """As a classifier of transformers, or as such a one with a model type of its own."""
        if averaging.possible(self.config) and self.config.steep_pooling == NORMED:
            bert = averaging.averaging_bert(self.base_model, self.pooled_head)  # type: ignore[arg-type]
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


def is_pooled(config: Mapping[str, Any]) -> bool:
    """Whether this config.json is of a classifier whose class is `PooledClassifier` alone."""
    return config.get("model_type") == OWN_HEAD


def load_pooled(files: CheckpointFiles, attention: str) -> LoadedModel:
    """A classifier as `PooledClassifier.save_pretrained` wrote it; SteepError as `load_model`."""
    content, averages = dict(files.config), averaging.averages(files)
    kind = content.pop("model_type")
    with Unusable(files.name):
        config = AutoConfig.for_model(content.pop(ENCODER_TYPE, kind), **content)
        config.num_hidden_layers -= averages
        encoder = AutoModel.from_config(config, attn_implementation=attention, dtype=torch.float32)
        model = PooledClassifier(encoder)
    return filled(model.eval(), files, averaging.without_layer if averages else None)


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


KNOWN = (
    *("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert"),
    *("mpnet", "roberta", "xlm-roberta"),
)
"""Model types whose layers give (rows, length, width) and do not look at padding: the tested ones.

A convolution, say, sees the padding beside a row: what it gives depends on the batch.
"""


class FeatureCache:
    """What the head of `model` reads of each row, in memory, on the CPU.

    With `first_alone`, the head reads nothing but the first position of the last layer.
    """

    def __init__(self, model: PreTrainedModel, first_alone: bool = False) -> None:
        self.kept: dict[bytes, Tensor] = {}  # (width,) pooled, else (positions, width)
        self.first_alone = first_alone
        self.pooled = isinstance(model, PooledClassifier)
        layers = encoder_layers(model.base_model)
        self._source: nn.Module = layers[-1]
        self._skipped: Sequence[nn.Module] = [*layers][:-1]
        self._width = model.config.hidden_size
        if isinstance(model, PooledClassifier):
            self._source, self._skipped = model.pooling, [model.base_model]
            self._width = model.pooled_head.in_features
        self._rows: list[tuple[bytes, int]] = []
        self._found = torch.empty(0)
        self._others = -1  # Nones that a layer gives beside its outputs; -1 where it gives no tuple

    def numbers(self, tokens: int, windows: int) -> int:
        """How many numbers are kept of so many windows with so many tokens."""
        return self._width * (windows if self.pooled or self.first_alone else tokens)

    def fill(self, classifier: Callable[[Tensor], Any], batches: Iterable[Tensor]) -> None:
        """Keep what is read of all rows of `batches`; `classifier` reads a batch.

        Padding moves the last bits of an output, so the same batches give the same bits.
        """
        hook = self._source.register_forward_hook(self._find)
        try:
            with torch.no_grad():
                for batch in batches:
                    classifier(batch)
                    self._keep()
        finally:
            hook.remove()

    @contextmanager
    def reused(self, inputs: dict[str, Tensor]) -> Iterator[None]:
        """While this lasts, the model computes `inputs`, but not what is known of them.

        Of a batch with a row that is not known, everything is computed.
        """
        self._rows = list(_rows(inputs))
        known = [self.kept[key] for key, _ in self._rows if key in self.kept]
        with ExitStack() as stack:
            if len(known) == len(self._rows):
                states = self._laid(known, inputs["input_ids"])
                stack.enter_context(_instead(self._skipped, self._hand_on))
                stack.enter_context(_instead([self._source], lambda *_: self._as(states)))
            yield

    def _find(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._others = len(output) - 1 if isinstance(output, tuple) else -1
        self._found = output[0] if isinstance(output, tuple) else output

    def _keep(self) -> None:
        for (key, length), state in zip(self._rows, self._found.cpu(), strict=True):
            if not self.pooled:
                state = state[: 1 if self.first_alone else length]
            self.kept.setdefault(key, state.clone())  # a view would keep the whole batch

    def _laid(self, known: list[Tensor], ids: Tensor) -> Tensor:
        """What is kept of the rows of a batch, in the form in which it was found; 0 elsewhere."""
        if self.pooled:
            return torch.stack(known).to(ids.device)
        states = known[0].new_zeros(*ids.shape, known[0].shape[-1])
        for place, state in zip(states, known, strict=True):
            place[: len(state)] = state
        return states.to(ids.device)

    def _hand_on(self, *given: Tensor) -> Any:
        """What stands in for a module that is skipped: nobody reads it."""
        return self._as(given[0]) if given else None

    def _as(self, states: Tensor) -> Any:
        """`states` in the form in which a layer of this model gives them."""
        return states if self._others < 0 else (states, *[None] * self._others)


@contextmanager
def _instead(modules: Iterable[nn.Module], give: Callable[..., Any]) -> Iterator[None]:
    """While this lasts, `modules` give `give(*inputs)` instead of computing."""
    modules = list(dict.fromkeys(modules))  # a layer may stand in several places
    before = [vars(module).get("forward") for module in modules]
    for module in modules:
        module.forward = lambda *given, **_: give(*given)
    try:
        yield
    finally:
        for module, forward in zip(modules, before, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward


def _rows(inputs: dict[str, Tensor]) -> Iterator[tuple[bytes, int]]:
    """What each row of a batch is known by, and its length without padding, which comes last."""
    lengths = inputs["attention_mask"].sum(1).tolist()
    read = [values.cpu().numpy() for name, values in inputs.items() if name != "attention_mask"]
    for row, length in zip(np.stack(read, 1), lengths, strict=True):
        yield blake2b(row[:, :length].tobytes(), digest_size=16).digest(), length
