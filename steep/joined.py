"""Which options has a command, once the shelf is joined to the core? A composition for each."""

from dataclasses import dataclass

from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs, PredictArgs
from steep.shelf.awd_lstm import AwdArgs
from steep.shelf.export import EngineArgs
from steep.shelf.self_training import SelfTrainArgs
from steep.shelf.sentence_pairs import PairArgs
from steep.shelf.trackers import TrackArgs
from steep.shelf.tuning import SearchArgs


@dataclass(frozen=True, kw_only=True)
class AdaptCommand:
    """steep adapt, with what the shelf adds."""

    core: AdaptArgs = AdaptArgs()
    pairs: PairArgs = PairArgs()
    track: TrackArgs = TrackArgs()


@dataclass(frozen=True, kw_only=True)
class FitCommand:
    """steep fit, with what the shelf adds."""

    core: FitArgs = FitArgs()
    search: SearchArgs = SearchArgs()
    track: TrackArgs = TrackArgs()


@dataclass(frozen=True, kw_only=True)
class SelfTrainCommand:
    """steep self-train, with what else the shelf adds."""

    core: SelfTrainArgs = SelfTrainArgs()
    track: TrackArgs = TrackArgs()


@dataclass(frozen=True, kw_only=True)
class PredictCommand:
    """steep predict, with what the shelf adds."""

    core: PredictArgs = PredictArgs()
    engine: EngineArgs = EngineArgs()


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand:
    """steep evaluate, with what the shelf adds."""

    core: EvaluateArgs = EvaluateArgs()
    engine: EngineArgs = EngineArgs()


@dataclass(frozen=True, kw_only=True)
class CompareCommand:
    """steep compare, with what the shelf adds."""

    core: CompareArgs = CompareArgs()
    awd: AwdArgs = AwdArgs()
