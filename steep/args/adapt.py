"""Which options has step 2, further pre-training?"""

from dataclasses import dataclass
from typing import Literal

from steep.args.data import DataArgs
from steep.args.run import RunArgs, SaveArgs, TrackArgs
from steep.config import Options, option
from steep.errors import SteepError

Masking = Literal["token", "word", "span"]
Sentences = Literal["none", "next", "order"]
Trained = Literal["all", "embeddings"]
Kept = Literal["loss", "probe"]


@dataclass(frozen=True, kw_only=True)
class ObjectiveArgs(Options):
    """What the model has to guess."""

    masking: Masking = option(
        "token", "What is hidden: single tokens, whole words, or spans of words (as SpanBERT)."
    )
    mask_share: float = option(
        0.15, "Share of tokens to predict (80 % masked, 10 % random).", least=0.01, most=0.9
    )
    sentences: Sentences = option(
        "none", "Also tell the next sentences from random ones, or their order (BERT, ALBERT)."
    )


@dataclass(frozen=True, kw_only=True)
class BudgetArgs(Options):
    """How long step 2 trains: passes, steps or minutes; by default one pass."""

    epochs: float | None = option(None, "Passes over the text.", least=0.001)
    steps: int | None = option(None, "Steps of the optimiser.", least=1)
    max_minutes: float | None = option(
        None, "Minutes of training; a few measured steps tell how many fit in.", least=0.01
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        budget = {"epochs": self.epochs, "steps": self.steps, "max_minutes": self.max_minutes}
        given = [f"'{name}' {value:g}" for name, value in budget.items() if value is not None]
        if len(given) > 1:
            raise SteepError(
                f"options {' and '.join(given)}: only one of epochs, steps and max_minutes can "
                "say how long to train. Leave the others out."
            )


@dataclass(frozen=True, kw_only=True)
class WatchArgs(Options):
    """What chooses the weights, and when it is enough."""

    evaluate_every: int | None = option(
        None,
        "Steps between two measurements of held-out text; by default ten in a run, fewer in a "
        "short one.",
        least=1,
    )
    patience: int | None = option(
        None, "Stop after this many measurements in a row without a new best.", least=1
    )


@dataclass(frozen=True, kw_only=True)
class ProbeArgs(Options):
    """Whether labels are asked, too, what step 2 is good for while it trains."""

    probe: bool = option(
        False,
        "At each measurement, also fit a linear classifier to the encoder's frozen features of "
        "labelled training rows, and score it on validation rows.",
    )
    probe_rows: int = option(1000, "Rows of each part that the probe reads, at most.", least=2)
    keep: Kept = option(
        "loss", "What chooses the weights, and ends by patience: the masked loss, or the probe."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep == "probe" and not self.probe:
            raise SteepError("option 'keep' is probe, but there is none: add --probe.")


@dataclass(frozen=True, kw_only=True)
class StepArgs(Options):
    """What a step of the optimiser is, and what it moves."""

    train: Trained = option("all", "Train all layers, or the embeddings alone (Ladkat 2022).")
    learning_rate: float = option(1e-4, "Highest learning rate.", least=0)
    decay: float = option(
        1.0, "Each lower layer learns this much slower than the one above.", least=0.01, most=1
    )
    warmup: float = option(
        0.06, "Share of the steps in which the learning rate rises.", least=0, most=0.9
    )
    weight_decay: float = option(0.01, "Weight decay; biases and norms have none.", least=0)
    clip: float = option(1.0, "Largest norm of the gradient.", least=0.0001)
    batch_tokens: int = option(4096, "Tokens in a batch, padding included.", least=8)
    accumulate: int = option(1, "Parts in which a batch is computed, to save memory.", least=1)
    checkpointing: bool = option(
        False, "Compute each layer again on the way back: slower, in far less memory."
    )


@dataclass(frozen=True, kw_only=True)
class AdaptArgs(
    ObjectiveArgs,
    BudgetArgs,
    StepArgs,
    WatchArgs,
    ProbeArgs,
    DataArgs,
    TrackArgs,
    SaveArgs,
    RunArgs,
):
    """steep adapt: further pre-training on your own text."""

    model: str = option("bert-base-uncased", "Checkpoint to start from: a folder or a hub name.")
    max_length: int = option(
        128, "Tokens in a window; longer documents give several windows.", least=8
    )
    heldout_share: float = option(0.05, "Share of documents kept aside to measure masked loss.")
    transductive: bool = option(False, "Train on the text of validation and test rows, too.")
    pack: bool = option(
        False, "Put several short documents into one window, with a separator between them."
    )
    weight: tuple[str, ...] = option(
        (), "How often a file is read in a pass: FILE=2 twice, FILE=0.5 half of it (repeatable)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pack and self.sentences != "none":
            raise SteepError("option 'pack': sentence pairs fill their windows. Leave it out.")
