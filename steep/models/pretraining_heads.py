"""With which heads is a checkpoint loaded for step 2? By default with that for masked tokens."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoModelForMaskedLM, PreTrainedConfig

Outputs = Callable[[str | Path, PreTrainedConfig], tuple[str, ...]]


def _masked_logits(name: str | Path, config: PreTrainedConfig) -> tuple[str, ...]:
    return ("logits",)


def _no_weight(weight: str) -> bool:
    return False


def _no_notes(name: str | Path, missing: Iterable[str]) -> list[str]:
    return []


@dataclass(frozen=True)
class PretrainingHeads:
    """The class of transformers that loads a checkpoint, and what is asked of that model.

    `outputs` gives the names of the model's outputs that are trained, logits of masked tokens
    first; it raises SteepError where the checkpoint (its name, its configuration) cannot have such
    heads. A missing weight for which `is_new` holds is made new by design: it belongs to a further
    head. `notes` says what the user should know of these.
    """

    auto: Any = AutoModelForMaskedLM
    outputs: Outputs = _masked_logits
    is_new: Callable[[str], bool] = _no_weight
    notes: Callable[[str | Path, Iterable[str]], list[str]] = _no_notes


MASKED_HEAD = PretrainingHeads()
