"""Sentence pairs beside masked tokens in step 2: next sentence (BERT) or sentence order (ALBERT).

A feature that the core does not know: `objective` gives `adapt` what to train. It needs
train/sentence_pairs.py.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from steep.args import PretrainArgs
from steep.errors import SteepError
from steep.openings import PairArgs, Sentences

if TYPE_CHECKING:
    from steep.train.objective import Objective


def objective(args: PairArgs, pretrain: PretrainArgs) -> "Callable[[], Objective] | None":
    """What makes the objective of step 2; None for the core's own, masked tokens alone.

    Raises SteepError if windows are to be packed.
    """
    if args.sentences == "none":
        return None
    if pretrain.packing.pack:
        raise SteepError("option 'pack': sentence pairs fill their windows. Leave it out.")
    return partial(_objective, args.sentences)


def kept(args: PairArgs) -> dict[str, Any]:
    """The options that a run is to keep beside its own: those that differ from the core's."""
    return {} if args.sentences == "none" else {"sentences": args.sentences}


def _objective(kind: Sentences) -> "Objective":
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.train.sentence_pairs import pair_objective

    return pair_objective(kind)
