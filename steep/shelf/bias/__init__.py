"""Unintended bias: who pays for a classifier's mistakes, and did step 2 change it?

A feature that the core does not know: metrics of groups that texts mention, with intervals; swapped
terms, HateCheck, and mitigation as options of `fit` and arms of `compare`. No file of train/.
"""

from dataclasses import dataclass

from steep.args import IntervalArgs, MachineArgs, OverwriteArgs, SeedArgs
from steep.args.table import ColumnArgs, GroupArgs, LabelArgs, TargetArgs
from steep.args.training import BatchArgs, TuneArgs
from steep.openings import IdentityArgs
from steep.options import Part, option, own_table


@dataclass(frozen=True, kw_only=True)
class BiasPart(Part):
    """Bias."""

    swap: bool = option(
        False,
        "Also swap the terms of --terms for each other, and measure how much the score changes.",
        common=True,
    )
    hatecheck: bool = option(
        False, "FILE is HateCheck's, with its columns: functional tests.", common=True
    )
    folds: int = option(
        0,
        "Fit each MODEL, a checkpoint, on all folds but one, so many times, and score every row by "
        "a fit that did not see it; 0 for models that are fitted already.",
        least=0,
        most=100,
    )
    card: bool = option(False, "Write the findings into the card of MODEL, too.", harmless=True)


@dataclass(frozen=True, kw_only=True)
class BiasArgs:
    """steep bias: who pays for a classifier's mistakes?"""

    columns: ColumnArgs = ColumnArgs()
    target: TargetArgs = TargetArgs()
    identity: IdentityArgs = IdentityArgs()
    labels: LabelArgs = LabelArgs()
    groups: GroupArgs = GroupArgs()
    bias: BiasPart = BiasPart()
    fit: TuneArgs = own_table(TuneArgs())
    batch: BatchArgs = BatchArgs(batch_size=64)
    intervals: IntervalArgs = IntervalArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()
