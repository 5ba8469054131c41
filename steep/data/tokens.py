"""What are the tokens of a corpus, and how do they become a model's inputs?

A corpus is tokenised once, whole, without special tokens, into one flat memory-mapped array; the
model's inputs (`Frame`) are cut from it afterwards, for any length, truncation or window.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from steep.console import track
from steep.data.cache_files import Facts, cache_folder, explained, kept
from steep.data.corpus import Corpus
from steep.data.store import scratch
from steep.data.words import is_unspaced, words_in
from steep.data.wordwise import WordByWord, encode_texts, is_word_by_word
from steep.errors import SteepError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 1000
DOCUMENTS = 10_000  # cut into windows together
SAID = 0.1  # share of unknown tokens from which on it is said

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
    encode, unknown = _encoder(tokenizer), tokenizer.unk_token_id
    if len(corpus) <= CHUNK and not corpus.table.cache_files:
        ids, counts = encode(list(corpus.table[column]))
        return Tokens(ids, _ends([counts]), *_unknown(ids, counts, unknown))
    folder = cache_folder() / "tokens" / _fingerprint(corpus, tokenizer, column)
    paths = folder / "ids.npy", folder / "offsets.npy"

    def make(aside: Sequence[Path]) -> Facts:
        return _write(corpus, column, encode, unknown, aside)

    facts = kept(folder / "seal.json", paths, make)
    with explained(folder):
        ids, offsets = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    return Tokens(ids, offsets, facts["unknown"], facts["blank"])


def _fingerprint(corpus: Corpus, tokenizer: "PreTrainedTokenizerBase", column: str) -> str:
    known = f"{tokenizer.unk_token_id}/{_bare(tokenizer).to_str()}"
    key = f"{corpus.table._fingerprint}/{column}/{known}"
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def _bare(tokenizer: "PreTrainedTokenizerBase") -> Any:
    """The `tokenizers.Tokenizer` within, without truncation and padding that earlier calls left.

    Its own batch method makes no masks, offsets or segments.
    """
    bare = tokenizer.backend_tokenizer
    bare.no_truncation()
    bare.no_padding()
    return bare


def _encoder(tokenizer: "PreTrainedTokenizerBase") -> Encode:
    """What turns texts into the ids (tokens,) of all and the counts (texts,) of each."""
    bare = _bare(tokenizer)
    return WordByWord(bare) if is_word_by_word(bare) else partial(encode_texts, bare)


def _write(
    corpus: Corpus, column: str, encode: Encode, unknown: int | None, aside: Sequence[Path]
) -> Facts:
    """Tokenise in chunks, and write ids and offsets."""
    lengths: list[np.ndarray] = []
    facts = np.zeros(2, np.int64)
    chunks = track(corpus.texts(column, CHUNK), -(-len(corpus) // CHUNK), "tokenising")
    with aside[0].open("wb") as stream:
        _write_header(stream, "<i4", 0)
        for texts in chunks:
            ids, counts = encode(texts)
            stream.write(ids.data)
            lengths.append(counts)
            facts += _unknown(ids, counts, unknown)
        offsets = _ends(lengths)
        stream.seek(0)
        _write_header(stream, "<i4", int(offsets[-1]))  # as long as before: numpy leaves it room
    with aside[1].open("wb") as stream:
        _write_header(stream, "<i8", len(offsets))
        stream.write(offsets.data)
    return {"unknown": int(facts[0]), "blank": int(facts[1])}


def _write_header(stream: IO[bytes], kind: str, length: int) -> None:
    shape = {"descr": kind, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, shape)


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


@dataclass(frozen=True)
class Frame:
    """The special tokens that a tokenizer puts around a text, or around a pair of texts.

    BERT: `before` [CLS], `between` [SEP], `after` [SEP]; `types` are the segment numbers of the
    first text's part and of the second's.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    types: tuple[int, int]
    pad: int

    def room(self, max_length: int, pair: bool = False) -> int:
        """Tokens of text that fit into an input of `max_length` tokens."""
        special = len(self.before) + len(self.after) + (len(self.between) if pair else 0)
        return max_length - special


def frame(tokenizer: "PreTrainedTokenizerBase") -> Frame:
    """The frame of a tokenizer, as it shows on one letter and on two.

    Raises SteepError for a tokenizer without padding, or that adds tokens in another shape.
    """
    if tokenizer.pad_token_id is None:
        raise SteepError(f"{tokenizer.name_or_path}: its tokenizer has no padding token.")
    a, b = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("a", "b"))
    one = tokenizer("a", return_token_type_ids=True)
    two = tokenizer("a", "b", return_token_type_ids=True)
    start = _find(one["input_ids"], a)
    second = _find(two["input_ids"], b, start + len(a))
    if start < 0 or second < 0:
        raise SteepError(f"{tokenizer.name_or_path}: its tokenizer frames texts in an unknown way.")
    return Frame(
        before=tuple(one["input_ids"][:start]),
        between=tuple(two["input_ids"][start + len(a) : second]),
        after=tuple(one["input_ids"][start + len(a) :]),
        types=(two["token_type_ids"][start], two["token_type_ids"][second]),
        pad=tokenizer.pad_token_id,
    )


def _find(ids: list[int], part: list[int], start: int = 0) -> int:
    """Where `part` begins in `ids` from `start` on, or -1."""
    ends = range(start, len(ids) - len(part) + 1)
    return next((i for i in ends if ids[i : i + len(part)] == part), -1)


def truncate(ids: np.ndarray, room: int, truncation: str) -> np.ndarray:
    """At most `room` of the tokens: the head, the tail, or head and tail.

    Head and tail: a quarter from the head, as 128 + 382 of 510 in Sun et al. 2019, section 5.3.1.
    """
    if len(ids) <= room:
        return ids
    if truncation == "head":
        return ids[:room]
    if truncation == "tail":
        return ids[-room:]
    head = room // 4
    return np.concatenate([ids[:head], ids[len(ids) - (room - head) :]])


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


FREQUENT = 10_000  # words that are looked up


def vocabulary_fit(
    corpus: Corpus, tokenizer: "PreTrainedTokenizerBase", tokens: int
) -> dict[str, float]:
    """Fertility, and how many of the frequent words are one token.

    {"tokens_a_word", "words" (different ones, at most `FREQUENT`), "whole" (share of them that are
    one token)}; `tokens` are those of the whole corpus. Punctuation counts as tokens, too.
    """
    counts: Counter[str] = Counter()
    for texts in corpus.texts():
        for text in texts:
            counts.update(words_in(text))
    frequent = [word for word, _ in counts.most_common(FREQUENT)]
    written = [word if is_unspaced(word) else f" {word}" for word in frequent]
    pieces = tokenizer(written, add_special_tokens=False)["input_ids"]
    whole = sum(len(ids) == 1 for ids in pieces)
    return {
        "tokens_a_word": round(tokens / max(counts.total(), 1), 3),
        "words": len(frequent),
        "whole": round(whole / max(len(frequent), 1), 3),
    }
