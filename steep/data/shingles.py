"""What do two texts share? Short sequences of words, and words in their order.

A sequence is of three words. Where no blanks part words it is of five characters, and three
characters count as a word: of Thai messages, 11 % had 80 % of their sequences of three somewhere in
60,000 characters of others, and 0.4 % of those of five.
"""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import chain
from typing import NamedTuple

import numpy as np

from steep.data.words import Words, is_unspaced

SHINGLE, CHARACTERS = 3, 5  # words of a sequence, or characters of a script without blanks
LONG, SHORT, FEWEST = 12, 6, 10  # words, words, and the sequences of LONG words
HALF, SIMILAR, WHOLE = 0.5, 0.8, 1.0  # of the sequences, or words, of a row
LONGER = 1.5  # times the words that are looked for: where they are looked for at once
FACTORS = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
MIX = np.array([*FACTORS, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64)


class Sequences(NamedTuple):
    """Of documents: the hash of every sequence, uint64 (n,), and its document, int64 (n,).

    And for each document, (documents,), the share of its sequences that a copy has, 0 where it is
    too short to be looked for.
    """

    hashes: np.ndarray
    owner: np.ndarray
    needed: np.ndarray


def sequences(words: Sequence[Words]) -> Sequences:
    """The sequences of each document, from every word on that has enough words behind it."""
    flat = [list(chain.from_iterable(own)) for own in words]
    lengths = np.fromiter(map(len, flat), np.int64, len(flat))
    joined = list(chain.from_iterable(flat))
    hashes = np.fromiter(map(hash, joined), np.int64, len(joined)).view(np.uint64)
    owner = np.repeat(np.arange(len(flat)), lengths)
    mixed, inside = _runs(hashes, owner, SHINGLE)
    worth = np.ones(len(joined))
    if not "".join(joined).isascii():
        single = np.fromiter(map(is_unspaced, joined), bool, len(joined))
        longer, within = _runs(hashes, owner, CHARACTERS)
        mixed, inside = np.where(single, longer, mixed), np.where(single, within, inside)
        worth[single] = 1 / SHINGLE
    count = np.bincount(owner[inside], minlength=len(flat))
    size = np.bincount(owner, worth, minlength=len(flat))
    needed = np.select(
        [(size >= LONG) & (count >= FEWEST), count >= FEWEST, size >= SHORT], [HALF, SIMILAR, WHOLE]
    )
    return Sequences(mixed[inside], owner[inside], needed.astype(np.float32))


def _runs(hashes: np.ndarray, owner: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """From each word on, the hash of `size` of them, uint64 (n,), and if one text has all (n,)."""
    count = max(0, len(hashes) - size + 1)
    mixed, inside = np.zeros(len(hashes), np.uint64), np.zeros(len(hashes), bool)
    for place, factor in enumerate(MIX[:size]):
        part = hashes[place : place + count]
        mixed[:count] += (part ^ (part >> np.uint64(29))) * factor
    inside[:count] = owner[:count] == owner[len(owner) - count :]
    return mixed, inside


def stand_in(words: list[str], others: list[str], least: float) -> bool:
    """Whether a share `least` of `words` stands in one passage of `others`, in their order.

    The passage is not much longer than the words.
    """
    if not words or f" {' '.join(words)} " in f" {' '.join(others)} ":
        return True
    passage = _passage(words, others)
    if (Counter(words) & Counter(passage)).total() < least * len(words):
        return False  # in whatever order; soon seen
    blocks = SequenceMatcher(None, words, passage).get_matching_blocks()
    return sum(block.size for block in blocks) >= least * len(words)


def _passage(words: list[str], others: list[str]) -> list[str]:
    """The passage of `others` that shares most sequences with `words`; not much longer."""
    size = round(LONGER * len(words))
    if len(others) <= size:
        return others
    known = set(zip(*(words[i:] for i in range(SHINGLE)), strict=False))
    runs = zip(*(others[i:] for i in range(SHINGLE)), strict=False)
    at = np.array([place for place, run in enumerate(runs) if run in known], np.int64)
    if not len(at):
        return others[:size]
    inside = np.searchsorted(at, at + size) - np.arange(len(at))
    begin = max(0, int(at[inside.argmax()]) - len(words) // 4)
    return others[begin : begin + size]
