"""Which words of a text are the tokens of an input? Their places in the text, sub-words joined."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Words:
    """Words of a text that an input holds: where they stand in the text, and in the input.

    `begins` and `ends` are places in the text, int64 (words,); `owner` is the word of every token
    of the input that is text, int64 (tokens,).
    """

    begins: np.ndarray
    ends: np.ndarray
    owner: np.ndarray

    def sums(self, tokens: np.ndarray) -> np.ndarray:
        """What the tokens (tokens,) of each word come to, float64 (words,)."""
        return np.bincount(self.owner, weights=tokens, minlength=len(self.begins))


def words_of(text: str, tokenizer: "PreTrainedTokenizerBase", kept: np.ndarray) -> Words:
    """The words of the tokens `kept` of a text, int64 (tokens,): their numbers in the whole text.

    Words are those that the tokenizer makes sub-words of; whitespace at their edges is no part
    of them.
    """
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = np.array(found["offset_mapping"], np.int64).reshape(-1, 2)[kept]
    # A token that is in no word (one that was added to the tokenizer) is a word of its own.
    numbers = [-1 - i if word is None else word for i, word in enumerate(found.word_ids())]
    changes = np.diff(np.array(numbers, np.int64)[kept], prepend=np.iinfo(np.int64).min) != 0
    owner = np.cumsum(changes) - 1
    firsts = np.flatnonzero(changes)
    lasts = np.append(firsts[1:], len(kept))[: len(firsts)] - 1
    begins, ends = spans[firsts, 0], spans[lasts, 1]
    for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        word = text[begin:end]
        begins[i] += len(word) - len(word.lstrip())
        ends[i] -= len(word) - len(word.rstrip())
    return Words(begins, ends, owner)
