"""Weights between a checkpoint and what step 2 made of it; or their difference, added to another.

A feature that the core does not know: interpolation (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models", WiSE-FT) and task arithmetic (Ilharco et al. 2023). It needs no file of train/.
"""

from dataclasses import dataclass

from steep.args import MachineArgs, OverwriteArgs, SeedArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import BaseArgs, LengthArgs, ModelArgs
from steep.options import Part, option


@dataclass(frozen=True, kw_only=True)
class BlendPart(Part):
    """Blend."""

    alpha: float | None = option(
        None,
        "How much of what step 2 changed is kept: 0 nothing, 1 all; by default what a linear probe "
        "on the validation rows of FILE says.",
        least=0,
        most=2,
        common=True,
    )
    onto: str | None = option(
        None,
        "Checkpoint to which the change is added, in place of --model's base: a sentence encoder "
        "that was made from that base, say.",
        common=True,
    )


@dataclass(frozen=True, kw_only=True)
class BlendArgs:
    """steep blend: a checkpoint between base and adapted."""

    blend: BlendPart = BlendPart()
    start: ModelArgs = ModelArgs()
    base: BaseArgs = BaseArgs()
    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    length: LengthArgs = LengthArgs(max_length=128)
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()
