"""Which weights lie between two checkpoints? Those of one, moved along their difference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from steep.errors import SteepError
from steep.models.hub import carry
from steep.models.loading import few
from steep.models.masked_lm import MaskedLanguageModel, load_masked_lm

Weights = Mapping[str, Tensor]
ALIKE = ("model_type", "num_attention_heads", "hidden_act")  # what shapes do not show
FAR = 0.5  # a change of the encoder's weights, by their length, that no step 2 makes


@dataclass(frozen=True)
class Line:
    """The weights from `start` (alpha 0) to `end` (alpha 1), by name, and the model that has them.

    Other weights of `lm` stay: those of a head that not all checkpoints have. `change` is the
    length of what step 2 changed in the encoder, over that of the encoder.
    """

    lm: MaskedLanguageModel
    start: Weights
    end: Weights
    change: float

    def at(self, alpha: float) -> MaskedLanguageModel:
        """The model at `alpha`; the same one, in place."""
        found = {k: torch.lerp(v, self.end[k], alpha) for k, v in self.start.items()}
        pooler = {k: found.get(k, v) for k, v in self.lm.pooler.items()}
        inner = {k: v for k, v in found.items() if k not in pooler}
        self.lm.model.load_state_dict(inner, strict=False)
        return replace(self.lm, pooler=pooler)


def line(base: str, adapted: Path, onto: str | None, attention: str) -> Line:
    """The line from `base` to `adapted`; with `onto`, the same way from there.

    Raises SteepError where the checkpoints have other shapes or vocabularies.
    """
    first, last = (load_masked_lm(name, attention, 0) for name in (base, adapted))
    _check(first, last, base, str(adapted))
    before, after = _given(first), _given(last)
    change = _length([after[k] - before[k] for k in _encoder(last)])
    change /= _length([before[k] for k in _encoder(last)])
    if onto is None:
        shared = before.keys() & after.keys()
        start, end = ({k: w[k] for k in shared} for w in (before, after))
        return Line(last, start, end, change)
    other = load_masked_lm(onto, attention, 0)
    _check(last, other, str(adapted), onto)
    given = _given(other)
    shared = given.keys() & before.keys() & after.keys()
    end = {k: given[k] + (after[k] - before[k]) for k in shared}
    return Line(other, {k: given[k] for k in shared}, end, change)


def save(lm: MaskedLanguageModel, folder: Path) -> None:
    """Write a checkpoint as the model's own was: without a masked-LM head where that had none."""
    if not lm.new_head:
        lm.save(folder)
        return
    encoder: PreTrainedModel = lm.model.base_model  # type: ignore[assignment]  # it says Module
    prefix = f"{lm.model.base_model_prefix}."
    pooler = {key.removeprefix(prefix): value for key, value in lm.pooler.items()}
    encoder.save_pretrained(folder, state_dict=encoder.state_dict() | pooler)
    lm.tokenizer.save_pretrained(folder)
    carry(Path(str(lm.model.name_or_path)), folder)


def _given(lm: MaskedLanguageModel) -> dict[str, Tensor]:
    """Copies of the weights that the checkpoint gave: not those of a head made new."""
    prefix = f"{lm.model.base_model_prefix}."
    weights = lm.model.state_dict() | lm.pooler
    kept = {k: v for k, v in weights.items() if k.startswith(prefix) or not lm.new_head}
    return {k: v.detach().clone() for k, v in kept.items() if v.is_floating_point()}


def _encoder(lm: MaskedLanguageModel) -> list[str]:
    prefix = f"{lm.model.base_model_prefix}."
    weights = lm.model.state_dict().items()
    return [k for k, v in weights if k.startswith(prefix) and v.is_floating_point()]


def _check(one: MaskedLanguageModel, two: MaskedLanguageModel, name: str, other: str) -> None:
    """Raises SteepError unless weights of `one` mean the same in `two`."""
    advice = "Weights can be added only where both were made from one checkpoint."
    for key in ALIKE:
        mine, theirs = (lm.model.config.to_dict().get(key) for lm in (one, two))
        if mine != theirs:
            raise SteepError(f"{other}: its {key} is {theirs}, that of {name} is {mine}. {advice}")
    mine, theirs = ({k: lm.model.state_dict()[k].shape for k in _encoder(lm)} for lm in (one, two))
    odd = [k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)]
    if odd:
        raise SteepError(
            f"{other}: its encoder has other shapes than that of {name}: {few(odd)}. {advice}"
        )
    if one.tokenizer.get_vocab() != two.tokenizer.get_vocab():
        raise SteepError(
            f"{other}: its vocabulary is another than that of {name}, so a row of its embeddings "
            f"is another word. {advice}"
        )


def _length(weights: list[Tensor]) -> float:
    return float(sum(w.double().square().sum() for w in weights)) ** 0.5
