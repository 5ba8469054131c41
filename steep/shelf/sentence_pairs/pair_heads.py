"""Which checkpoints can judge sentence pairs, and which weights for that have to be made new?"""

from collections.abc import Iterable
from pathlib import Path

from transformers import AutoModelForPreTraining, PreTrainedConfig

from steep.errors import SteepError
from steep.models.pretraining_heads import PretrainingHeads

LOGITS = {"bert": "seq_relationship_logits", "albert": "sop_logits"}  # among the model's outputs
HEADS = ("cls.seq_relationship.", "sop_classifier.")


def pair_outputs(name: str | Path, config: PreTrainedConfig) -> tuple[str, str]:
    """The outputs of a checkpoint: logits of masked tokens, and of sentence pairs.

    Raises SteepError where its family has no head for pairs.
    """
    if config.model_type not in LOGITS:
        raise SteepError(
            f"{name}: a '{config.model_type}' checkpoint has no head for sentence pairs. Use "
            f"--sentences none, or a checkpoint of these families: {', '.join(LOGITS)}."
        )
    if config.type_vocab_size < 2:
        raise SteepError(f"{name}: the model has no segment embeddings. Use --sentences none.")
    return "prediction_logits", LOGITS[config.model_type]


def is_pair_weight(weight: str) -> bool:
    """Whether a weight judges pairs: in their head, or in the pooler below it."""
    return weight.startswith(HEADS) or ".pooler." in weight


def new_weights_notes(name: str | Path, missing: Iterable[str]) -> list[str]:
    """What the user should know of weights for pairs that the checkpoint does not have."""
    parts = {"sentence-pair head": HEADS, "pooler": ("bert.pooler.", "albert.pooler.")}
    new = [part for part, begins in parts.items() if any(w.startswith(begins) for w in missing)]
    return [f"{name} has no {part}: a new one is trained first, alone" for part in new]


PAIR_HEADS = PretrainingHeads(
    AutoModelForPreTraining, pair_outputs, is_pair_weight, new_weights_notes
)
