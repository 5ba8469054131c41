"""Which options has step 3, fine-tuning? Parts that other trainings share, and `TuneArgs`."""

from dataclasses import dataclass
from typing import Literal, TypeVar

from steep.errors import SteepError
from steep.options import Part, option

Truncation = Literal["head", "tail", "head+tail", "sliding-mean", "sliding-max"]
Schedule = Literal["one-cycle", "slanted", "linear", "cosine", "constant"]
Unfreeze = Literal["none", "gradual", "chain-thaw", "never"]
Keep = Literal["auto", "best", "last"]
HeadInit = Literal["auto", "random", "prototypes"]
LossName = Literal["cross-entropy", "focal"]

Number = TypeVar("Number", int, float)


def _settled(name: str, value: Number | None) -> Number:
    if value is None:
        raise SteepError(f"{name}: give a number; nothing chooses it here.")
    return value


@dataclass(frozen=True, kw_only=True)
class ModelArgs(Part):
    """Checkpoint."""

    model: str | None = option(
        None,
        "Checkpoint to start from: a folder (also one of 'steep adapt') or a hub name.",
        common=True,
    )


@dataclass(frozen=True, kw_only=True)
class BaseArgs(Part):
    """Checkpoint."""

    base: str | None = option(
        None,
        "Checkpoint that --model was adapted from: its classifier takes the encoder of --model.",
    )


@dataclass(frozen=True, kw_only=True)
class RankArgs(Part):
    """Checkpoint."""

    rank: tuple[str, ...] = option(
        (),
        "Checkpoint to rank beside --model as a start, by LogME and a linear probe of frozen "
        "features on your labels (repeatable).",
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class EpochArgs(Part):
    """Optimisation."""

    epochs: int | None = option(
        None,
        "Training epochs; without a default, by number of rows.",
        least=1,
        most=1_000_000,
        common=True,
    )

    @property
    def count(self) -> int:
        """The number of epochs; SteepError where none was chosen."""
        return _settled("epochs", self.epochs)


@dataclass(frozen=True, kw_only=True)
class OptimiserArgs(Part):
    """Optimisation."""

    learning_rate: float | None = option(
        None,
        "Peak learning rate; without a default, by checkpoint.",
        least=0,
        most=10,
        common=True,
    )
    layer_decay: float = option(
        0.95,
        "Layer-wise learning-rate decay: the rate of each layer over that of the one above.",
        least=0.01,
        most=1,
    )
    warmup_ratio: float = option(0.1, "Share of the steps that warm up.", least=0, most=0.9)
    weight_decay: float = option(
        0.01, "Weight decay; biases and norms have none.", least=0, most=1000
    )
    max_grad_norm: float = option(1.0, "Gradients are clipped to this norm.", least=0.0001)

    @property
    def rate(self) -> float:
        """The peak learning rate; SteepError where none was chosen."""
        return _settled("learning_rate", self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class ScheduleArgs(Part):
    """Optimisation."""

    schedule: Schedule = option("one-cycle", "Learning-rate schedule.")


@dataclass(frozen=True, kw_only=True)
class KeepArgs(Part):
    """Optimisation."""

    keep_epoch: Keep = option(
        "auto",
        "Epoch whose weights are kept: best (on the validation rows), last, or auto (last, where "
        "validation rows are fewer than 500: too few to choose by).",
    )


@dataclass(frozen=True, kw_only=True)
class BatchArgs(Part):
    """Optimisation."""

    batch_size: int | None = option(
        None, "Rows in a batch; by default 16 in training.", least=1, most=1_000_000
    )

    @property
    def size(self) -> int:
        """The number of rows; SteepError where none was chosen."""
        return _settled("batch_size", self.batch_size)


@dataclass(frozen=True, kw_only=True)
class MemoryArgs(Part):
    """Memory."""

    gradient_accumulation_steps: int = option(
        1,
        "Parts in which the gradient of a batch is accumulated, to save memory.",
        least=1,
        most=1_000_000,
    )
    gradient_checkpointing: bool = option(
        False, "Recompute activations in the backward pass: slower, in far less memory."
    )


@dataclass(frozen=True, kw_only=True)
class LengthArgs(Part):
    """Optimisation."""

    max_length: int = option(
        256, "Tokens of an input; longer texts are cut or windowed.", least=8, common=True
    )


@dataclass(frozen=True, kw_only=True)
class LongTextArgs(Part):
    """Long texts."""

    truncation: Truncation = option(
        "head",
        "Which part of a long text is kept; or how the windows that cover it are pooled "
        "(sliding-mean, sliding-max).",
    )
    max_windows: int = option(
        8, "Maximum windows per text, with sliding-mean or sliding-max.", least=1, most=10_000
    )


@dataclass(frozen=True, kw_only=True)
class LayerArgs(Part):
    """Layers and head."""

    unfreeze: Unfreeze = option(
        "none",
        "none: nothing is frozen; gradual: one more layer each epoch, from the top; chain-thaw: "
        "each layer alone, then all; never: only the head is trained.",
    )
    pooling: str = option(
        "auto",
        "What the head reads: auto (mean for a sentence encoder that pools so, and a small BERT; "
        "else model), model (what the checkpoint's own head reads), cls, mean, last4 ([CLS] of "
        "four layers), concat ([CLS], mean and max), or layer:K ([CLS] of layer K).",
    )
    head_init: HeadInit = option(
        "auto",
        "How the head begins: random; prototypes (the mean of each class on the frozen encoder, "
        "with pooling mean); or auto (prototypes, where pooling is mean by default).",
    )
    head_epochs: int = option(
        0, "Epochs, of all, in which only the head is trained, before the rest joins it.", least=0
    )
    head_learning_rate: float = option(
        1e-3, "Peak learning rate of these epochs.", least=0, most=10
    )
    reinit_layers: int = option(0, "Top layers, and the pooler, to re-initialise.", least=0)


@dataclass(frozen=True, kw_only=True)
class LossArgs(Part):
    """Loss and example weights."""

    class_weights: str = option(
        "none",
        "Up-weight rare labels: balanced, effective[:BETA] (of several labels: their 1 against "
        "their 0), or NAME=NUMBER,... (others 1).",
    )
    loss: LossName = option(
        "cross-entropy", "focal down-weights easy examples (gamma 2, Lin et al. 2017)."
    )
    label_smoothing: float = option(
        0.0, "Probability of each label that is spread over all labels.", least=0, most=0.9
    )


@dataclass(frozen=True, kw_only=True)
class TuneArgs:
    """How a classifier is fine-tuned."""

    epochs: EpochArgs = EpochArgs()
    optimiser: OptimiserArgs = OptimiserArgs()
    length: LengthArgs = LengthArgs()
    batch: BatchArgs = BatchArgs()
    schedule: ScheduleArgs = ScheduleArgs()
    keep: KeepArgs = KeepArgs()
    memory: MemoryArgs = MemoryArgs()
    layers: LayerArgs = LayerArgs()
    loss: LossArgs = LossArgs()
    long_texts: LongTextArgs = LongTextArgs()


@dataclass(frozen=True, kw_only=True)
class RecipeArgs(Part):
    """Recipe."""

    recipe: str | None = option(
        None,
        "Options of step 3 by name (features, mosbach, sun2019, ulmfit), or the [fit] table of a "
        "TOML file; flags and --config win over it.",
        harmless=True,  # what it sets is in the options themselves
    )


@dataclass(frozen=True, kw_only=True)
class MetricArgs(Part):
    """Metric."""

    metric: str | None = option(
        None, "Validation metric that selects the epoch; by default that of the task."
    )


@dataclass(frozen=True, kw_only=True)
class FewArgs(Part):
    """Few labels."""

    label_budget: int | None = option(
        None, "Use only this many training labels, drawn by seed.", least=1
    )
    shots: int | None = option(
        None, "Use only this many training labels of each class, drawn by seed.", least=1
    )


@dataclass(frozen=True, kw_only=True)
class DecisionArgs(Part):
    """Thresholds and calibration."""

    threshold: str | None = option(
        None,
        "Choose the threshold of each label on validation rows: 'f1', 'precision:0.9', "
        "'recall:0.9' or 'cost:FP,FN'; or one number for all. By default the best F1 of each of "
        "several labels, else the most probable class.",
    )
    calibrate: bool = option(
        False, "Calibrate probabilities by temperature scaling on validation rows."
    )
