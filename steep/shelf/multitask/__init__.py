"""Multi-task training: one encoder for several labelled tables, a start for 'steep fit'.

A feature that the core does not know (Sun et al. 2019, section 5.5). It needs train/multitask.py.
"""

from dataclasses import dataclass
from typing import Literal

from steep.args import MachineArgs, OverwriteArgs, SaveArgs, SeedArgs
from steep.args.table import LeakArgs, ShareArgs
from steep.args.training import (
    BatchArgs,
    EpochArgs,
    LengthArgs,
    ModelArgs,
    OptimiserArgs,
    ScheduleArgs,
)
from steep.options import Part, option

Sampling = Literal["size", "root"]


@dataclass(frozen=True, kw_only=True)
class TaskArgs(Part):
    """Tables."""

    text: tuple[str, ...] = option(
        (),
        "Column of texts, by default 'text': once for all tables, or once for each.",
        common=True,
    )
    label: tuple[str, ...] = option(
        (),
        "Column of labels, as for 'steep fit': once for all tables, or once for each.",
        common=True,
    )
    group: tuple[str, ...] = option(
        (),
        "Column that says which rows belong together, as for 'steep fit': once for all tables, or "
        "once for each.",
    )
    sampling: Sampling = option(
        "size", "How often a batch is of a table: in proportion to its size, or to the root of it."
    )


@dataclass(frozen=True, kw_only=True)
class MultitaskArgs:
    """steep multitask: one encoder for several labelled tables."""

    tasks: TaskArgs = TaskArgs()
    shares: ShareArgs = ShareArgs()
    leaks: LeakArgs = LeakArgs()
    start: ModelArgs = ModelArgs()
    epochs: EpochArgs = EpochArgs(epochs=3)
    optimiser: OptimiserArgs = OptimiserArgs(learning_rate=5e-5)
    length: LengthArgs = LengthArgs()
    batch: BatchArgs = BatchArgs(batch_size=32)
    schedule: ScheduleArgs = ScheduleArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    saving: SaveArgs = SaveArgs()
    output: OverwriteArgs = OverwriteArgs()
