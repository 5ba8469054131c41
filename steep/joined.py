"""Which options does the shelf add to commands of the core? Parts, and compositions with them.

They stand here, so that a command imports no feature that it was not asked for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs, PredictArgs
from steep.options import Part, option

Sentences = Literal["none", "next", "order"]
Tracker = Literal["none", "tensorboard", "mlflow", "wandb"]
EngineName = Literal["torch", "onnx", "int8"]


@dataclass(frozen=True, kw_only=True)
class PairArgs(Part):
    """Sentence pairs."""

    sentences: Sentences = option(
        "none",
        "Also predict whether a sentence follows (next, as BERT), or the order of two (order, as "
        "ALBERT).",
    )


@dataclass(frozen=True, kw_only=True)
class TrackArgs(Part):
    """Experiment tracking."""

    track: Tracker = option(
        "none",
        "Also send options, history and scores to an experiment tracker; each needs its extra.",
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class EngineArgs(Part):
    """Hardware."""

    engine: EngineName = option(
        "torch", "What computes the predictions; onnx and int8 need the files of 'steep export'."
    )


@dataclass(frozen=True, kw_only=True)
class AwdArgs(Part):
    """Study."""

    awd_lstm: Path | None = option(
        None, "Folder of fastai's AWD-LSTM, for the arm awd-lstm; by default fastai's cache."
    )


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
