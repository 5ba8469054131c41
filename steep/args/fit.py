"""Which options has step 3, fine-tuning?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.args.data import DataArgs
from steep.args.decide import DecisionArgs
from steep.args.few import FewArgs
from steep.args.run import RunArgs, SaveArgs, TrackArgs
from steep.args.selftrain import SelfTrainArgs
from steep.config import Options, option

Truncation = Literal[
    "head", "tail", "head+tail", "sliding-mean", "sliding-max", "sliding-attention"
]
Schedule = Literal["one-cycle", "slanted", "linear", "cosine", "constant"]
Unfreeze = Literal["none", "gradual", "chain-thaw", "never"]
LossName = Literal["cross-entropy", "focal"]


@dataclass(frozen=True, kw_only=True)
class LayerArgs(Options):
    """Which layers train when, and what the head reads."""

    unfreeze: Unfreeze = option(
        "none",
        "Nothing is frozen (none), one layer more each epoch from the top (gradual), each alone "
        "and then all (chain-thaw), or only the head ever trains (never).",
    )
    pooling: str = option(
        "model",
        "What the head reads: as the checkpoint's own head does (model), cls, mean, last4 ([CLS] "
        "of four layers), concat ([CLS], mean and max), or layer:K ([CLS] of layer K).",
    )
    head_start: int = option(
        0, "Epochs, of all, in which the head trains alone before the rest joins it.", least=0
    )
    head_start_rate: float = option(
        1e-3, "Highest learning rate of the head while it trains alone.", least=0
    )
    recompute: bool = option(
        False,
        "Compute frozen layers in every epoch, instead of keeping on the disk what they give.",
    )
    reinit: int = option(0, "Top layers that start from new weights, and the pooler.", least=0)


@dataclass(frozen=True, kw_only=True)
class LossArgs(Options):
    """What is made small in training, and how much each row counts."""

    class_weights: str = option(
        "none",
        "Rare labels count more: balanced, effective[:BETA] (of several labels: their 1 against "
        "their 0), or NAME=NUMBER,... (others 1).",
    )
    loss: LossName = option("cross-entropy", "The loss; focal looks away from easy rows.")
    focal_gamma: float = option(2.0, "How far focal looks away; 0 is cross-entropy.", least=0)
    label_smoothing: float = option(
        0.0, "Share of each label that is spread over all labels.", least=0, most=0.9
    )


@dataclass(frozen=True, kw_only=True)
class CourseArgs(Options):
    """How long, how fast and on how much at once it learns."""

    epochs: int = option(3, "Passes over the labelled rows.", least=1)
    learning_rate: float = option(5e-5, "Highest learning rate, of the head.", least=0)
    decay: float = option(
        0.95, "Each lower layer learns this much slower than the one above.", least=0.01, most=1
    )
    schedule: Schedule = option("one-cycle", "Course of the learning rate.")
    warmup: float = option(
        0.1, "Share of the steps in which the learning rate rises.", least=0, most=0.9
    )
    batch_size: int = option(32, "Rows in a step of the optimiser.", least=1)
    max_length: int = option(256, "Longest input in tokens; longer texts are truncated.", least=8)
    weight_decay: float = option(0.01, "Weight decay; biases and norms have none.", least=0)
    clip: float = option(1.0, "Largest norm of the gradient.", least=0.0001)


@dataclass(frozen=True, kw_only=True)
class TuneArgs(CourseArgs, DataArgs, LayerArgs, LossArgs, SaveArgs, RunArgs):
    """How a classifier is fine-tuned."""

    recipe: str | None = option(
        None,
        "Options by name (features, mosbach, sun2019, ulmfit), or from a TOML file's table for "
        "fit; flags and --config win over it.",
    )
    model: str | None = option(None, "Checkpoint to start from: a folder or a hub name.")
    encoder: Path | None = option(None, "Folder of 'steep adapt' whose encoder is used, as it is.")
    accumulate: int = option(1, "Parts in which a batch is computed, to save memory.", least=1)
    truncation: Truncation = option(
        "head",
        "Which part of a long text is kept, or how the windows that read all of it (sliding-...) "
        "are joined: by their mean, maximum, or attention.",
    )
    windows: int = option(8, "Most windows of a text, where they slide.", least=1)
    stride: int | None = option(
        None, "Most tokens from one window's begin to the next; by default a window's.", least=1
    )
    metric: str | None = option(None, "Validation metric that chooses the epoch; default by task.")


@dataclass(frozen=True, kw_only=True)
class FitArgs(DecisionArgs, FewArgs, SelfTrainArgs, TrackArgs, TuneArgs):
    """steep fit: fine-tuning a classifier."""
