"""For how many epochs does an arm train that may spend what step 2 spends, too?

Compute is counted in tokens, not in seconds: the same study then gives the same numbers on every
machine, and after every interruption.
"""

import math
from pathlib import Path

from steep import runs
from steep.args import TuneArgs
from steep.data.corpus import Data
from steep.data.inputs import Rows, Sliding
from steep.options import change
from steep.run_shapes import TOKENS_READ


def step2_tokens(folder: Path) -> int:
    """The tokens that the step 2 in `folder` was trained on; SteepError if it does not say."""
    return int(runs.read_shaped(folder / runs.RESULTS, TOKENS_READ)["tokens"])


def with_tokens(tune: TuneArgs, data: Data, base: str, tokens: int) -> TuneArgs:
    """`tune` with so many more epochs on the training rows of `data` that these `tokens` are read.

    Padding does not count, as it does not in those of step 2; the last epoch is a whole one.
    """
    more = tokens / tokens_of_pass(tune, data, base)
    return change(tune, {"epochs": math.ceil(tune.epochs.epochs + more)})


def tokens_of_pass(tune: TuneArgs, data: Data, base: str) -> int:
    """The tokens of one pass over the training rows of `data`, as the checkpoint `base` is fed."""
    from steep.models.checkpoints import load_tokenizer

    long = tune.long_texts
    how = (tune.length.max_length, long.truncation, Sliding(long.max_windows))
    return int(Rows(data.train, data.labelled(), load_tokenizer(base), *how).lengths.sum())
