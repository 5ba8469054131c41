"""Which options has step 2, further pre-training?"""

from dataclasses import dataclass
from typing import Literal

from steep.args.data import DataArgs
from steep.args.run import RunArgs, SaveArgs
from steep.config import Options, option

Masking = Literal["token", "word", "span"]
Sentences = Literal["none", "next", "order"]


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
class AdaptArgs(ObjectiveArgs, DataArgs, SaveArgs, RunArgs):
    """steep adapt: further pre-training on your own text."""

    model: str = option("bert-base-uncased", "Checkpoint to start from: a folder or a hub name.")
    epochs: float = option(1.0, "Passes over the text.", least=0.001)
    max_minutes: float | None = option(
        None, "Fit the number of passes to this many minutes.", least=0.01
    )
    learning_rate: float = option(1e-4, "Highest learning rate.", least=0)
    max_length: int = option(
        128, "Tokens in a window; longer documents give several windows.", least=8
    )
    batch_tokens: int = option(4096, "Tokens in a batch, padding included.", least=8)
    warmup: float = option(
        0.06, "Share of the steps in which the learning rate rises.", least=0, most=0.9
    )
    weight_decay: float = option(0.01, "Weight decay; biases and norms have none.", least=0)
    clip: float = option(1.0, "Largest norm of the gradient.", least=0.0001)
    heldout_share: float = option(0.05, "Share of documents kept aside to measure masked loss.")
    transductive: bool = option(False, "Train on the text of validation and test rows, too.")
