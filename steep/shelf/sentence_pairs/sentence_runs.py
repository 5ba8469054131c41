"""Which pairs of sentence runs are made of documents, and which checkpoints can judge them?

Next sentence prediction (NSP; Devlin et al. 2019, section 3.1, task 2) and sentence order
prediction (SOP; Lan et al. 2020, section 3.1). The originals mark every pair of a one-sentence
document as random, and cut random pairs more often than true ones; here such a document makes no
pair, and how a run is cut depends on the run alone, so that neither gives the label away.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from transformers import AutoModelForPreTraining, PreTrainedConfig

from steep.errors import SteepError
from steep.models.masked_lm import PretrainingHeads

TRUE, FALSE = 0, 1  # labels as in BERT and ALBERT: 1 is a random next run, or a swapped pair
LOGITS = {"bert": "seq_relationship_logits", "albert": "sop_logits"}  # among the model's outputs
HEADS = ("cls.seq_relationship.", "sop_classifier.")


def cut_runs(offsets: np.ndarray, documents: np.ndarray, room: int) -> np.ndarray:
    """Documents cut into runs of whole sentences, of two sentences at least where there are two.

    `offsets` int64 (sentences + 1,): where the sentences begin, in tokens; `documents` int64
    (documents + 1,): the first sentence of each. A run has at most `room` tokens, or two sentences
    (three, if one would be left over). Returns the first sentence of each run and of what follows
    it, int64 (runs, 2), in the order of the text.
    """
    first = np.arange(len(offsets) - 1)
    stop = np.repeat(documents[1:], np.diff(documents))
    fits = np.searchsorted(offsets, offsets[:-1] + room, "right") - 1
    end = np.minimum(np.maximum(fits, first + 2), stop)
    end = np.where(stop - end == 1, np.where(end - first > 2, end - 1, stop), end)
    begin = documents[:-1][np.diff(documents) > 0]
    found = []
    while len(begin):  # one turn for the first runs of all documents, one for the second ...
        found.append(np.stack([begin, end[begin]], 1))
        begin = end[begin][end[begin] < stop[begin]]
    whole = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    return whole[np.argsort(whole[:, 0])]


def cut_segments(offsets: np.ndarray, runs: np.ndarray, room: int) -> np.ndarray:
    """Each run as two segments that meet between two sentences, as near its middle as can be.

    Returns begin and end of the first and of the second, in tokens, int64 (runs, 4). Neither has
    more than half of `room`: the first loses its beginning, the second its end.
    """
    middle = (offsets[runs[:, 0]] + offsets[runs[:, 1]]) / 2
    after = np.searchsorted(offsets, middle)
    nearer = middle - offsets[after - 1] < offsets[after] - middle
    border = offsets[np.clip(after - nearer, runs[:, 0] + 1, runs[:, 1] - 1)]
    begin = np.maximum(offsets[runs[:, 0]], border - room // 2)
    end = np.minimum(offsets[runs[:, 1]], border + room // 2)
    return np.stack([begin, border, border, end], 1)


def next_pairs(
    pairs: np.ndarray, owner: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Half of the pairs with the second segment of another document, at random.

    `pairs` int64 (n, 4); `owner` int64 (n,), ascending: the documents they are of, two at least.
    Every pair of another document is as likely to lend its second segment. Returns the new pairs
    and their labels, int64 (n,).
    """
    labels = balanced_labels(len(pairs), random)
    low, high = (np.searchsorted(owner, owner, side) for side in ("left", "right"))
    others = len(pairs) - (high - low)
    drawn = (random.random(len(pairs)) * others).astype(np.int64)
    lender = drawn + np.where(drawn >= low, high - low, 0)
    second = np.where((labels == FALSE)[:, None], pairs[lender, 2:], pairs[:, 2:])
    return np.concatenate([pairs[:, :2], second], 1), labels


def ordered_pairs(pairs: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of the pairs swapped, at random; the new pairs int64 (n, 4), and their labels (n,)."""
    labels = balanced_labels(len(pairs), random)
    swapped = pairs[:, [2, 3, 0, 1]]
    return np.where((labels == FALSE)[:, None], swapped, pairs), labels


def balanced_labels(count: int, random: np.random.Generator) -> np.ndarray:
    """As many true as false labels, in random order, int64 (count,); an odd one is either."""
    return random.permutation((np.arange(count) + random.integers(2)) % 2)


def pair_outputs(name: str | Path, config: PreTrainedConfig) -> tuple[str, str]:
    """The outputs of a checkpoint: logits of masked tokens, and of sentence pairs.

    Raises SteepError where its family has no head for pairs.
    """
    if config.model_type not in LOGITS:
        raise SteepError(
            f"{name}: a '{config.model_type}' checkpoint has no head for sentence pairs. Use "
            f"--sentences none, or a checkpoint of these families: {', '.join(LOGITS)}."
        )
    if config.type_vocab_size < 2:
        raise SteepError(f"{name}: the model has no segment embeddings. Use --sentences none.")
    return "prediction_logits", LOGITS[config.model_type]


def is_pair_weight(weight: str) -> bool:
    """Whether a weight judges pairs: in their head, or in the pooler below it."""
    return weight.startswith(HEADS) or ".pooler." in weight


def new_weights_notes(name: str | Path, missing: Iterable[str]) -> list[str]:
    """What the user should know of weights for pairs that the checkpoint does not have."""
    parts = {"sentence-pair head": HEADS, "pooler": ("bert.pooler.", "albert.pooler.")}
    new = [part for part, begins in parts.items() if any(w.startswith(begins) for w in missing)]
    return [f"{name} has no {part}: a new one is trained first, alone" for part in new]


PAIR_HEADS = PretrainingHeads(
    AutoModelForPreTraining, pair_outputs, is_pair_weight, new_weights_notes
)
