"""What are the tokens of a corpus? Computed once, without special ones, in one flat mapped array.

A model's inputs are cut from it afterwards, for any length, truncation or window. Where words do
not depend on each other, every word is tokenised once: a BERT tokenizer splits at whitespace and
punctuation before it looks for pieces, so that the tokens of a text are those of its words, end to
end; and text repeats its words. Looking them up takes a tenth of the time.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.console import track
from steep.data.cache_files import (
    Facts,
    cache_folder,
    explained,
    kept,
    key_of,
    scratch,
    unchanged,
)
from steep.data.cache_locks import discard
from steep.data.corpus import Corpus
from steep.data.parts import parts_of, write_header, write_parts
from steep.errors import SteepError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 1000
PARTS = "parts"  # of a text that is not tokenised to its end
DOCUMENTS = 10_000  # cut into windows together
SAID = 0.1  # share of unknown tokens from which on it is said
WORDS = re.compile(r"[^ \t\r\n]+")  # other whitespace and control characters: the tokenizer's
SPLIT_AT_SPACES = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")
BY_CHARACTER = (None, "BertNormalizer", "Lowercase", "StripAccents", "NFD")
KEPT = 1 << 17  # words whose tokens are remembered: some 20 MB

Encode = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]
"""Texts -> the ids of all, int32 (tokens,), and how many each has, int64 (texts,)."""


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts, end to end.

    `ids` is int32 (tokens,), `offsets` int64 (texts + 1,); text `i` begins at offsets[i]. `unknown`
    of the tokens are none that the tokenizer knows; `blank` texts consist of such tokens alone.
    """

    ids: np.ndarray
    offsets: np.ndarray
    unknown: int = 0
    blank: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens in each text, int64 (texts,)."""
        return np.diff(self.offsets)


def tokenize(corpus: Corpus, tokenizer: "PreTrainedTokenizerBase", column: str = "text") -> Tokens:
    """The tokens of a corpus; computed once, then taken from the cache folder of `datasets`.

    The key of the cache is the fingerprint of the text column and of the tokenizer. A few texts
    that lie in no file leave none.
    """
    bare, unknown, encode = _bare(tokenizer), tokenizer.unk_token_id, encoder_of(tokenizer)
    if len(corpus) <= CHUNK and not corpus.table.cache_files:
        ids, counts = encode(list(corpus.table[column]))
        return Tokens(ids, _ends([counts]), *_unknown(ids, counts, unknown))
    key = key_of(f"{corpus.table._fingerprint}/{column}/{unknown}/{bare.to_str()}")
    folder = cache_folder() / "tokens" / key
    paths = folder / "ids.npy", folder / "offsets.npy"

    def write(rows: range, aside: Sequence[Path]) -> Facts:
        texts = replace(corpus, table=corpus.table.select(rows)).texts(column, CHUNK)
        return _write(texts, encode, unknown, aside)

    def make(aside: Sequence[Path]) -> Facts:
        if len(parts := parts_of(corpus)) > 1:
            return write_parts(parts, folder / PARTS, write, aside)
        chunks = track(corpus.texts(column, CHUNK), -(-len(corpus) // CHUNK), "tokenising")
        return _write(chunks, encode, unknown, aside)

    facts = kept(folder / "seal.json", paths, make)
    discard(folder / PARTS)
    with explained(folder), unchanged(folder):
        ids, offsets = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    return Tokens(ids, offsets, facts["unknown"], facts["blank"])


def encoder_of(tokenizer: "PreTrainedTokenizerBase") -> Encode:
    """What makes tokens of texts: word by word where it can be."""
    bare = _bare(tokenizer)
    return WordByWord(bare) if is_word_by_word(bare) else partial(encode_texts, bare)


def _bare(tokenizer: "PreTrainedTokenizerBase") -> Any:
    """The `tokenizers.Tokenizer` within, without truncation and padding that earlier calls left.

    Its own batch method makes no masks, offsets or segments.
    """
    bare = tokenizer.backend_tokenizer
    bare.no_truncation()
    bare.no_padding()
    return bare


def _write(
    chunks: Iterable[list[str]], encode: Encode, unknown: int | None, aside: Sequence[Path]
) -> Facts:
    """Tokenise texts, some at a time, and write ids and offsets."""
    lengths: list[np.ndarray] = []
    facts = np.zeros(2, np.int64)
    with aside[0].open("wb") as stream:
        write_header(stream, "<i4", 0)
        for texts in chunks:
            ids, counts = encode(texts)
            stream.write(ids.data)
            lengths.append(counts)
            facts += _unknown(ids, counts, unknown)
        offsets = _ends(lengths)
        stream.seek(0)
        write_header(stream, "<i4", int(offsets[-1]))  # as long as before: numpy leaves it room
    with aside[1].open("wb") as stream:
        write_header(stream, "<i8", len(offsets))
        stream.write(offsets.data)
    return {"unknown": int(facts[0]), "blank": int(facts[1])}


def _ends(lengths: Sequence[np.ndarray]) -> np.ndarray:
    """Where texts of these lengths begin, and the last one ends: int64 (texts + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()


def _unknown(ids: np.ndarray, counts: np.ndarray, unknown: int | None) -> tuple[int, int]:
    """How many of the tokens are `unknown`, and how many of the texts are nothing else."""
    if unknown is None or not (found := ids == unknown).any():
        return 0, 0
    owner = np.repeat(np.arange(len(counts)), counts)
    own = np.bincount(owner[found], minlength=len(counts))
    return int(found.sum()), int(((own == counts) & (counts > 0)).sum())


def windows(tokens: Tokens, room: int) -> np.ndarray:
    """Where windows of at most `room` tokens begin and end in `tokens.ids`, int64 (windows, 2).

    A window never crosses from one document into the next. A long document gives windows of equal
    length, so that none is left with a few stray tokens.
    """
    counts = -(-tokens.lengths // room)
    found = scratch((int(counts.sum()), 2), np.int64)
    filled = 0
    for first in range(0, len(tokens), DOCUMENTS):
        some = counts[first : first + DOCUMENTS]
        owner = np.repeat(np.arange(len(some)), some)
        rank = np.arange(len(owner)) - np.repeat(np.cumsum(some) - some, some)
        begin, length = tokens.offsets[first + owner], tokens.lengths[first + owner]
        part = found[filled : filled + len(owner)]
        part[:, 0] = begin + rank * length // some[owner]
        part[:, 1] = begin + (rank + 1) * length // some[owner]
        filled += len(owner)
    return found


def notes_of_unknown(part: str, columns: Sequence[Tokens]) -> list[str]:
    """How much of these texts the tokenizer does not know, where it is worth saying."""
    total, unknown = (sum(n) for n in zip(*((len(c.ids), c.unknown) for c in columns), strict=True))
    blank, texts = sum(column.blank for column in columns), sum(map(len, columns))
    if not blank and unknown < SAID * total or not total:
        return []
    alone = f"; {blank:,} of {texts:,} texts hold nothing else" if blank else ""
    whole = f"{unknown / total:.1%} of the tokens of the {part} texts"
    return [f"{whole} are unknown to the tokenizer ([UNK]){alone}"]


def check_known(tokenizer: "PreTrainedTokenizerBase", columns: Sequence[Tokens]) -> None:
    """Raises SteepError if nothing could be learnt from these texts: all tokens are unknown."""
    total = sum(len(column.ids) for column in columns)
    if total == sum(column.unknown for column in columns):
        raise SteepError(
            f"{tokenizer.name_or_path}: nothing can be learnt from these texts: its tokenizer "
            f"knows none of their {total:,} tokens. Choose a checkpoint that was made for this "
            "language and script, and see that the files of its tokenizer are there."
        )


class WordByWord:
    """The tokens of texts, from the tokens of their words; same ids as `tokenizer` gives."""

    numbers: dict[str, int]
    ids: np.ndarray
    lengths: np.ndarray

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._forget()

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of all texts, end to end, int32 (tokens,); how many each has, int64 (texts,)."""
        words = [WORDS.findall(text) for text in texts]
        self._learn(set(chain.from_iterable(words)))
        counts = np.fromiter(map(len, words), np.int64, len(words))
        flat = map(self.numbers.__getitem__, chain.from_iterable(words))
        numbers = np.fromiter(flat, np.int64, counts.sum())
        lengths = self.lengths[numbers]
        ends = np.concatenate([[0], lengths.cumsum()])
        within = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
        ids = self.ids[np.repeat(self.begins[numbers], lengths) + within]
        return ids, np.diff(ends[np.concatenate([[0], counts.cumsum()])])

    def _learn(self, words: set[str]) -> None:
        """Tokenise the words that are not known; with too many, forget the others first."""
        new = words - self.numbers.keys()
        if new and len(self.numbers) + len(new) > KEPT:
            self._forget()
            new = words
        if new:
            encoded = encode_texts(self.tokenizer, list(new))
            self.numbers.update(zip(new, count(len(self.lengths)), strict=False))
            self.ids = np.concatenate([self.ids, encoded[0]])
            self.lengths = np.concatenate([self.lengths, encoded[1]])
            self.begins = self.lengths.cumsum() - self.lengths

    def _forget(self) -> None:
        self.numbers = {}
        self.ids, self.lengths = np.zeros(0, np.int32), np.zeros(0, np.int64)
        self.begins = self.lengths


def encode_texts(tokenizer: Any, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """As `WordByWord`, but of whole texts; uses every core."""
    ids: Iterable[list[int]] = [
        found.ids for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    ]
    lengths = np.fromiter(map(len, ids), np.int64, len(texts))
    return np.fromiter(chain.from_iterable(ids), np.int32, lengths.sum()), lengths


def is_word_by_word(tokenizer: Any) -> bool:
    """Whether a space always separates two words, and neither depends on what is beyond it."""
    parts = json.loads(tokenizer.to_str())
    kinds = [_kind(parts[name]) for name in ("normalizer", "pre_tokenizer", "model")]
    spaces = any(WORDS.sub("", added["content"]) for added in parts["added_tokens"])
    return (
        kinds[0] in BY_CHARACTER
        and kinds[1] in SPLIT_AT_SPACES
        and kinds[2] == "WordPiece"
        and not spaces
    )


def _kind(part: dict[str, Any] | None) -> str | None:
    return None if part is None else part["type"]
