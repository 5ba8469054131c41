"""Which options has the choice of text that is like the task's?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.args.data import DataArgs
from steep.args.run import RunArgs
from steep.config import option
from steep.errors import SteepError

Likeness = Literal["tfidf", "encoder"]


@dataclass(frozen=True, kw_only=True)
class SelectArgs(DataArgs, RunArgs):
    """steep select: the texts of a pile that are nearest to a task's."""

    near: Path | None = option(None, "Table of the task; its training rows are what is looked for.")
    neighbours: int = option(50, "Texts chosen for each training row.", least=1)
    by: Likeness = option("tfidf", "What likeness is: of words, or of a checkpoint's features.")
    model: str | None = option(None, "Checkpoint whose features are compared: folder or hub name.")
    max_length: int = option(128, "Tokens of a text that the checkpoint reads.", least=8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by == "encoder" and self.model is None:
            raise SteepError("option 'by' is encoder: name the checkpoint with --model.")
