"""Which options has each command of the core? A composition of parts for each.

The parts that any command may have, of where it runs and what it leaves behind, are here, too.

The command line, TOML files and Python all use these classes: an option exists once.
"""

from dataclasses import dataclass
from typing import Literal

from steep.args.pretraining import (
    EvidenceArgs,
    MinutesArgs,
    PlanArgs,
    PretrainArgs,
    PriceArgs,
    SeedsArgs,
    StudyArgs,
    StudyTextArgs,
    TextArgs,
    WorkerArgs,
)
from steep.args.table import ColumnArgs, GroupArgs, SplitArgs, TableArgs, TargetArgs
from steep.args.training import (
    BaseArgs,
    BatchArgs,
    DecisionArgs,
    EpochArgs,
    FewArgs,
    MetricArgs,
    ModelArgs,
    RankArgs,
    RecipeArgs,
    TuneArgs,
)
from steep.options import SEEDS, Part, option, own_table

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]


@dataclass(frozen=True, kw_only=True)
class SeedArgs(Part):
    """Seed."""

    seed: int = option(
        0,
        "Random seed of everything but the split.",
        common=True,
        **SEEDS,
    )


@dataclass(frozen=True, kw_only=True)
class MachineArgs(Part):
    """Hardware."""

    device: Device = option("auto", "Where to compute; by default a GPU if there is one.")
    precision: Precision = option(
        "auto",
        "bf16 where the device has it; else fp16 on a GPU (losses are scaled), fp32 on a CPU.",
    )
    threads: int | None = option(
        None,
        "Threads that compute on a CPU, by default one a core; other sums, so other last digits.",
        least=1,
        most=1024,
    )
    plain: bool = option(False, "Compute with Hugging Face's own layers, not Steep's faster ones.")


@dataclass(frozen=True, kw_only=True)
class DevicesArgs(Part):
    """Hardware."""

    devices: int = option(
        1,
        "Processes that train one model together, each on a GPU of its own or its share of the "
        "cores.",
        least=1,
        most=1024,
    )


@dataclass(frozen=True, kw_only=True)
class SaveArgs(Part):
    """Saving and resuming."""

    save_every: float = option(
        5.0,
        "Minutes between saves, from which a killed run resumes; 0 for none.",
        least=0,
        most=1_000_000,
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class OverwriteArgs(Part):
    """Saving and resuming."""

    overwrite: bool = option(False, "Replace the output if it exists.", common=True, harmless=True)


@dataclass(frozen=True, kw_only=True)
class AbstainArgs(Part):
    """Abstention."""

    abstain_below: float | None = option(
        None, "Leave rows undecided whose confidence is lower than this.", least=0, most=1
    )


@dataclass(frozen=True, kw_only=True)
class SpreadsheetArgs(Part):
    """Output."""

    keep_columns: bool = option(False, "Carry the columns of the input along, after Steep's own.")
    safe_csv: bool = option(
        False, "Write ' before ids and names that a spreadsheet would compute as formulas."
    )


@dataclass(frozen=True, kw_only=True)
class IntervalArgs(Part):
    """Intervals."""

    resamples: int = option(
        1000, "Bootstrap resamples behind the intervals.", least=100, most=1_000_000
    )


@dataclass(frozen=True, kw_only=True)
class CachePart(Part):
    """Cache."""

    prune: bool = option(
        False, "Remove what is not in use: everything, or what the next two say.", common=True
    )
    older_than: float | None = option(
        None, "Remove what was used last more than so many days ago.", least=0, common=True
    )
    keep: str | None = option(
        None, "Keep what was used last up to this size, such as 5GB; remove the rest.", common=True
    )


@dataclass(frozen=True, kw_only=True)
class CacheArgs:
    """steep cache: what was read and tokenised, and is kept for the next run."""

    cache: CachePart = CachePart()


@dataclass(frozen=True, kw_only=True)
class DataArgs:
    """steep.read: how a table is read and split."""

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()


@dataclass(frozen=True, kw_only=True)
class CheckArgs:
    """steep check: what is in a table, what will go wrong, what it will cost."""

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    rank: RankArgs = RankArgs()
    evidence: EvidenceArgs = EvidenceArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class AdaptArgs:
    """steep adapt: further pre-training on your own text."""

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    pretrain: PretrainArgs = PretrainArgs()
    text: TextArgs = TextArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    saving: SaveArgs = SaveArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class FitArgs:
    """steep fit: fine-tuning a classifier."""

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    base: BaseArgs = BaseArgs()
    recipe: RecipeArgs = RecipeArgs()
    tune: TuneArgs = TuneArgs()
    metric: MetricArgs = MetricArgs()
    few: FewArgs = FewArgs()
    decisions: DecisionArgs = DecisionArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    saving: SaveArgs = SaveArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class PredictArgs:
    """steep predict: a probability for every row and class."""

    columns: ColumnArgs = ColumnArgs()
    batch: BatchArgs = BatchArgs(batch_size=64)
    abstain: AbstainArgs = AbstainArgs()
    csv: SpreadsheetArgs = SpreadsheetArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs:
    """steep evaluate: predictions against labels."""

    columns: ColumnArgs = ColumnArgs()
    target: TargetArgs = TargetArgs()
    groups: GroupArgs = GroupArgs()
    batch: BatchArgs = BatchArgs(batch_size=64)
    abstain: AbstainArgs = AbstainArgs()
    intervals: IntervalArgs = IntervalArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class CompareArgs:
    """steep compare: was step 2 worth it?

    Step 3 of all arms is `tune`; step 2 is `adapt`, a table of its own, but for `budget`.
    """

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    base: BaseArgs = BaseArgs()
    texts: StudyTextArgs = StudyTextArgs()
    seeds: SeedsArgs = SeedsArgs()
    budget: MinutesArgs = MinutesArgs()
    study: StudyArgs = StudyArgs()
    plan: PlanArgs = PlanArgs()
    rank: RankArgs = RankArgs()
    evidence: EvidenceArgs = EvidenceArgs()
    prices: PriceArgs = PriceArgs()
    recipe: RecipeArgs = RecipeArgs()
    tune: TuneArgs = TuneArgs()
    metric: MetricArgs = MetricArgs()
    adapt: PretrainArgs = own_table(PretrainArgs())
    workers: WorkerArgs = WorkerArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    saving: SaveArgs = SaveArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class DemoPart(Part):
    """Demo."""

    yes: bool = option(False, "Install the demo's checkpoint without asking.")
    labels: int = option(300, "Training labels of the fits and of the comparison.")


@dataclass(frozen=True, kw_only=True)
class DemoArgs:
    """steep demo: every stage on real text that comes along."""

    demo: DemoPart = DemoPart()
    start: ModelArgs = ModelArgs()
    seeds: SeedsArgs = SeedsArgs(seeds=3)
    epochs: EpochArgs = EpochArgs(epochs=6)
    budget: MinutesArgs = MinutesArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()
