"""Data selection for step 2: the texts of a large pile that are most similar to a task's.

A feature that the core does not know: nearest neighbours by TF-IDF, or by the features of a
checkpoint. It needs no file of train/.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.args import MachineArgs, OverwriteArgs, SeedArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import LengthArgs, ModelArgs
from steep.errors import SteepError
from steep.options import Part, option

Similarity = Literal["tfidf", "encoder"]


@dataclass(frozen=True, kw_only=True)
class NeighbourArgs(Part):
    """Neighbours."""

    near: Path | None = option(
        None, "Table of the task; texts similar to its training rows are selected.", common=True
    )
    neighbours: int = option(50, "Texts selected for each training row.", least=1, common=True)
    by: Similarity = option(
        "tfidf",
        "What is compared: TF-IDF vectors of words, or the features of a checkpoint (encoder), "
        "which --model names.",
        common=True,
    )


@dataclass(frozen=True, kw_only=True)
class SelectArgs:
    """steep select: the texts of a pile that are nearest to a task's."""

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    nearest: NeighbourArgs = NeighbourArgs()
    encoder: ModelArgs = ModelArgs()
    length: LengthArgs = LengthArgs(max_length=128)
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()

    def __post_init__(self) -> None:
        if self.nearest.by == "encoder" and self.encoder.model is None:
            raise SteepError("option 'by' is encoder: name the checkpoint with --model.")
