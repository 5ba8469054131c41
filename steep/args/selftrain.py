"""Which options has self-training?"""

from dataclasses import dataclass
from pathlib import Path

from steep.config import Options, option


@dataclass(frozen=True, kw_only=True)
class SelfTrainArgs(Options):
    """Learning from the answers of a first model to unlabelled texts."""

    self_train: tuple[Path, ...] = option(
        (),
        "Files of unlabelled text: a first model labels it, and the second learns from what that "
        "is sure of, too (repeatable).",
    )
    confidence: float = option(
        0.9, "Probability from which on the first model's answer is a label.", least=0, most=1
    )
    per_class: int = option(
        1000, "Texts of a class that are learnt from, the surest first.", least=1
    )
