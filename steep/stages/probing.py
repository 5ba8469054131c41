"""Which labelled rows does the probe of step 2 read?"""

from typing import TYPE_CHECKING

import numpy as np

from steep import runs
from steep.args import AdaptArgs
from steep.data.corpus import Corpus, Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.metrics.scores import defined, primary
from steep.seeds import numbers

if TYPE_CHECKING:
    from steep.models.checkpoints import MaskedLanguageModel
    from steep.train.probe import Probe

Parts = tuple[Corpus, Corpus]  # of the training and the validation part


def labelled_parts(data: Data, args: AdaptArgs) -> Parts | None:
    """Training and validation rows for the probe; None where none was asked for.

    Raises SteepError where there are no labels, or none that a score is defined on.
    """
    if not args.probe:
        return None
    task = data.labelled()
    if not len(data.valid):
        raise SteepError("A probe is scored on validation rows: leave valid_share above 0.")
    train, valid = _some(data.train, "train", args), _some(data.valid, "valid", args)
    if not defined(task, primary(task), valid.labels()):
        raise SteepError(
            f"probe: {primary(task)} is undefined on {len(valid):,} validation rows (one class "
            "only?). Raise --valid-share or --probe-rows."
        )
    return train, valid


def _some(part: Corpus, name: str, args: AdaptArgs) -> Corpus:
    """At most `args.probe_rows` of the rows, drawn by the seed."""
    if len(part) <= args.probe_rows:
        return part
    chosen = numbers(args.seed, "probe", name).choice(len(part), args.probe_rows, replace=False)
    return part.take(np.sort(chosen))


def probe_on(
    parts: Parts | None, data: Data, lm: "MaskedLanguageModel", args: AdaptArgs, run: runs.Run
) -> "Probe | None":
    """The probe of these rows, tokenised for the model; their number is noted."""
    if parts is None:
        return None
    from steep.train.probe import Probe

    train, valid = (Rows(p, data.labelled(), lm.tokenizer, args.max_length) for p in parts)
    run.note(
        f"probe: a linear classifier on frozen features learns from {len(train):,} training rows "
        f"and is scored on {len(valid):,} validation rows"
    )
    return Probe(train, valid)
