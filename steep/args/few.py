"""Which options are there for few labels?"""

from dataclasses import dataclass

from steep.config import Options, option


@dataclass(frozen=True, kw_only=True)
class FewArgs(Options):
    """Learning from few labels."""

    label_budget: int | None = option(
        None, "Use only this many training labels, drawn by seed.", least=1
    )
    shots: int | None = option(
        None, "Use only this many training labels of each class, drawn by seed.", least=1
    )
