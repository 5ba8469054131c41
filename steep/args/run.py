"""Which options has every run, and the stages that train nothing?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.args.data import DataArgs
from steep.config import Options, option

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16", "fp32"]
Engine = Literal["torch", "onnx", "int8"]
Tracker = Literal["none", "tensorboard", "mlflow", "wandb"]


@dataclass(frozen=True, kw_only=True)
class RunArgs(Options):
    """How a run behaves on this machine."""

    device: Device = option("auto", "Where to compute; by default the GPU where there is one.")
    precision: Precision = option("auto", "bf16 where the processor has it, else fp32.")
    plain: bool = option(False, "Compute with the layers as Hugging Face wrote them, not faster.")
    seed: int = option(0, "Seed of everything drawn at random but the split.")
    overwrite: bool = option(False, "Replace the output folder if it exists.")


@dataclass(frozen=True, kw_only=True)
class SaveArgs(Options):
    """What is left of a run that is stopped."""

    save_every: float = option(
        5.0, "Minutes between saves, from which a killed run goes on; 0 for none.", least=0
    )


@dataclass(frozen=True, kw_only=True)
class TrackArgs(Options):
    """Who else is told of a run."""

    track: Tracker = option(
        "none", "Also send options, history and scores to a tracker; each needs its extra."
    )


@dataclass(frozen=True, kw_only=True)
class CheckArgs(DataArgs, RunArgs):
    """steep check: what is in a table, what will go wrong, what it will cost."""

    model: str | None = option(None, "Checkpoint whose tokenizer and speed are tried out.")
    out: Path | None = option(None, "Write the findings as JSON to this file, too.")


@dataclass(frozen=True, kw_only=True)
class ColumnArgs(Options):
    """Which columns a trained model reads."""

    text: str | None = option(None, "Column that holds the text; default as in training.")
    pair: str | None = option(None, "Column of the second text; default as in training.")
    id: str | None = option(None, "Column that names the rows; by default 'id' where it exists.")


@dataclass(frozen=True, kw_only=True)
class PredictArgs(ColumnArgs, RunArgs):
    """steep predict: a probability for every row and class."""

    batch_size: int = option(64, "Rows computed at once.", least=1)
    engine: Engine = option("torch", "What computes; onnx and int8 once 'steep export' wrote them.")
    abstain_below: float | None = option(
        None,
        "Leave rows undecided to whose decision the model gives a lower probability.",
        least=0,
        most=1,
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs(PredictArgs):
    """steep evaluate: predictions against labels."""

    label: str | None = option(None, "Column(s) of labels; default as in training.")
    resamples: int = option(1000, "Bootstrap resamples behind the intervals.", least=100)
    out: Path | None = option(None, "Write results and predictions to this folder, too.")
