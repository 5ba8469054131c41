"""The learning-rate finder: run fastai's `lr_find` several times, and say whether it is reliable.

A feature that the core does not know. It needs train/lr_find.py.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from steep.args import FitArgs, MachineArgs, OverwriteArgs, SeedArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import (
    BaseArgs,
    BatchArgs,
    FewArgs,
    LayerArgs,
    LengthArgs,
    LongTextArgs,
    LossArgs,
    MemoryArgs,
    ModelArgs,
    OptimiserArgs,
)
from steep.errors import SteepError
from steep.options import Part, as_mapping, make, option, options_of


def _same(part: type[Part], name: str) -> Any:
    """An option of another part, for a part that has not all of its options."""
    known = {one.name: one for one in dataclasses.fields(part)}[name]
    return field(default=known.default, metadata=known.metadata)


@dataclass(frozen=True, kw_only=True)
class CurveArgs(Part):
    """Curves."""

    start_lr: float = option(1e-6, "Learning rate at which a curve starts.", least=1e-12, most=10)
    end_lr: float = option(
        1e-2,
        "Learning rate at which it ends, unless the loss diverges before.",
        least=1e-12,
        most=10,
    )
    curves: int = option(
        3,
        "Curves, each with its own new head, order of rows and dropout.",
        least=1,
        most=1000,
        common=True,
    )
    curve_steps: int = option(80, "Steps of a curve.", least=20, most=1000, common=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start_lr >= self.end_lr:
            raise SteepError(f"start_lr {self.start_lr:g} is not below end_lr {self.end_lr:g}.")


@dataclass(frozen=True, kw_only=True)
class HeadArgs(Part):
    """Layers and head."""

    pooling: str = _same(LayerArgs, "pooling")
    reinit_layers: int = _same(LayerArgs, "reinit_layers")


@dataclass(frozen=True, kw_only=True)
class StepArgs(Part):
    """Optimisation."""

    weight_decay: float = _same(OptimiserArgs, "weight_decay")
    max_grad_norm: float = _same(OptimiserArgs, "max_grad_norm")


@dataclass(frozen=True, kw_only=True)
class LrFindArgs:
    """steep lr-find: run lr_find several times; say if it is reliable.

    Of step 3, these are the options that change a curve: it has a schedule of its own, one learning
    rate for all layers, and nothing frozen.
    """

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    base: BaseArgs = BaseArgs()
    curve: CurveArgs = CurveArgs()
    length: LengthArgs = LengthArgs()
    batch: BatchArgs = BatchArgs(batch_size=16)
    steps: StepArgs = StepArgs()
    memory: MemoryArgs = MemoryArgs()
    head: HeadArgs = HeadArgs()
    loss: LossArgs = LossArgs()
    long_texts: LongTextArgs = LongTextArgs()
    few: FewArgs = FewArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()

    def as_fit(self) -> FitArgs:
        """The fit whose learning rate is looked for; a curve does not read its other options."""
        known = {one.name for one in options_of(FitArgs)}
        return make(FitArgs, **{n: v for n, v in as_mapping(self).items() if n in known})
