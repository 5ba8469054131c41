"""Which labelled rows does the linear probe of step 2 read?"""

from typing import TYPE_CHECKING

import numpy as np

from steep import runs
from steep.args.pretraining import ProbeArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.metrics.scores import defined, primary
from steep.seeds import numbers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST = 1000  # rows of either part: enough for a linear classifier, and soon read

Parts = tuple[Corpus, Corpus]  # of the training and the validation part


def labelled_parts(data: Data, probe: ProbeArgs, seed: int) -> Parts | None:
    """Training and validation rows for the probe; None where none was asked for.

    Raises SteepError where there are no labels, or none that a score is defined on.
    """
    if not probe.probe:
        return None
    task = data.labelled()
    if not len(data.valid):
        raise SteepError("A probe is scored on validation rows: leave valid_share above 0.")
    train, valid = _drawn(data.train, "train", seed), _drawn(data.valid, "valid", seed)
    if not defined(task, primary(task), valid.labels()):
        raise SteepError(
            f"probe: {primary(task)} is undefined on {len(valid):,} validation rows (one class "
            "only?). Raise --valid-share."
        )
    return train, valid


def probe_on(
    parts: Parts | None,
    data: Data,
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    run: runs.Run,
) -> tuple[Rows, Rows] | None:
    """These rows, tokenised for a model; their number is noted."""
    if parts is None:
        return None
    train, valid = (Rows(part, data.labelled(), tokenizer, max_length) for part in parts)
    run.note(
        f"probe: a linear classifier on frozen features learns from {len(train):,} training rows "
        f"and is scored on {len(valid):,} validation rows"
    )
    return train, valid


def _drawn(part: Corpus, name: str, seed: int) -> Corpus:
    """At most `MOST` of the rows, drawn by the seed."""
    if len(part) <= MOST:
        return part
    return part.take(np.sort(numbers(seed, "probe", name).choice(len(part), MOST, replace=False)))
