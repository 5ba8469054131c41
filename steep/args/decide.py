"""Which options say how probabilities become decisions?"""

from dataclasses import dataclass

from steep.config import Options, option


@dataclass(frozen=True, kw_only=True)
class DecisionArgs(Options):
    """How probabilities become decisions."""

    threshold: str | None = option(
        None,
        "Choose each label's threshold on the validation rows: 'f1', 'precision:0.9', 'recall:0.9' "
        "or 'cost:FP,FN'; or a number for all. By default 0.5, or the most probable class.",
    )
    calibrate: bool = option(
        False, "Fit temperatures on the validation rows, so that probabilities come true."
    )
