"""Which texts of a corpus give held-out text away? The same, nearly the same, or a passage of it.

A text leaks a held-out row when it is equal apart from whitespace and case; when it holds 80 % or
more of the row's sequences of three words (a review that holds the sentence to classify, or nearly
the same text: a Jaccard similarity of 0.8 implies it); or when 80 % of its own sequences are those
of one row (a sentence of the review to classify). Where no blanks part words, a sequence is of five
characters: of Thai messages, 11 % had 80 % of their sequences of three somewhere in 60,000
characters of others, and 0.4 % of those of five. The search is exact: a text with 80 % of a row's
sequences holds one of the row's rarest 20 %, so that only these are looked up (prefix filtering:
Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant 2007), then verified.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.sparse import csr_array

from steep.console import track
from steep.data.corpus import Corpus
from steep.data.duplicates import FEWEST_SHINGLES, SHINGLE, SIMILAR, corpus_hashes, text_hashes
from steep.data.words import has_unspaced, is_unspaced, words_in

CHUNK = 500  # texts looked up together
PIECE = 1 << 16  # characters: a longer text is searched piece by piece
CHARACTERS = 5  # of a script without blanks, in place of SHINGLE words
FACTORS = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
MIX = np.array([*FACTORS, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64)


@dataclass(frozen=True)
class Leaks:
    """Texts of a corpus that equal a held-out row, or overlap with one; bool (texts,) each."""

    equal: np.ndarray
    overlap: np.ndarray


@dataclass(frozen=True)
class Held:
    """Held-out rows, ready to be looked for.

    `hashes` uint64 (rows,) of whole texts; `known` uint64 (sequences,), sorted; `rows` the
    sequences of each long enough row, 0/1 (long rows, sequences); `holders` its transpose, and
    `rare` that of the rarest ones; `needed` how many a text must hold; `longest` the characters of
    the longest row.
    """

    hashes: np.ndarray
    known: np.ndarray
    rows: csr_array
    holders: csr_array
    rare: csr_array
    needed: np.ndarray
    longest: int

    def __len__(self) -> int:
        return len(self.hashes)


def held_out(corpora: Iterable[Corpus]) -> Held:
    """The index of held-out rows; those below 12 words are looked for as whole texts alone.

    Of a script without blanks, 14 characters.
    """
    hashes, sequences, longest = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)], 0
    for text in _documents(corpora):
        hashes.append(text_hashes([text]))
        own = np.unique(_sequences([text])[0])
        longest = max(longest, len(text))
        if len(own) >= FEWEST_SHINGLES:
            sequences.append(own)
    lengths = np.array([len(own) for own in sequences[1:]], np.int64)
    known, columns = np.unique(np.concatenate(sequences), return_inverse=True)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(lengths), len(known))
    rows = csr_array((np.ones(len(columns), np.int32), columns, begins), shape=shape)
    needed = np.ceil(SIMILAR * lengths).astype(np.int64)
    rare, holders = _rarest(rows, lengths, needed), rows.T.tocsr()
    return Held(np.concatenate(hashes), known, rows, holders, rare, needed, longest)


def find_leaks(corpus: Corpus, held: Held) -> Leaks:
    """The texts of a corpus that leak, of the rows `held`; the corpus is streamed."""
    equal = np.isin(corpus_hashes(corpus), held.hashes)
    overlap = np.zeros(len(corpus), bool)
    if len(held.known):
        chunks = track(corpus.texts(size=CHUNK), -(-len(corpus) // CHUNK), "looking for leaks")
        for number, texts in enumerate(chunks):
            for owners, pieces in _pieces(texts, held.longest):
                overlap[number * CHUNK + owners[_overlaps(pieces, held)]] = True
    return Leaks(equal, overlap & ~equal)


def _documents(corpora: Iterable[Corpus]) -> Iterator[str]:
    """Texts, and second texts, one by one."""
    for corpus in corpora:
        for column in ("text", "pair") if corpus.has_pairs else ("text",):
            for texts in corpus.texts(column):
                yield from texts


def _pieces(texts: list[str], longest: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Positions in `texts`, and texts; of a long one pieces, which share the length of a row.

    Not the whole text: somewhere in a novel most short sequences of words occur.
    """
    size = max(PIECE, 4 * longest)
    short = [at for at, text in enumerate(texts) if len(text) <= size]
    if short:
        yield np.array(short), [texts[at] for at in short]
    for at, text in enumerate(texts):
        if len(text) > size:
            for begin in range(0, len(text) - 2 * longest, size - 2 * longest):
                yield np.array([at]), [text[begin : begin + size]]


def _sequences(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hash of every sequence of three words, uint64 (n,), and its text, int64 (n,).

    From a character of a script without blanks on, a sequence is of five. Python's hashes differ
    from process to process; these never leave this one.
    """
    words = [words_in(text.casefold()) for text in texts]
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    flat = np.fromiter(map(hash, chain.from_iterable(words)), np.int64, lengths.sum())
    hashes, owner = flat.view(np.uint64), np.repeat(np.arange(len(texts)), lengths)
    mixed, inside = _runs(hashes, owner, SHINGLE)
    if any(map(has_unspaced, texts)):
        single = np.fromiter(map(is_unspaced, chain.from_iterable(words)), bool, len(flat))
        longer, within = _runs(hashes, owner, CHARACTERS)
        mixed, inside = np.where(single, longer, mixed), np.where(single, within, inside)
    return mixed[inside], owner[inside]


def _runs(hashes: np.ndarray, owner: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """From each word on, the hash of `size` of them, uint64 (n,), and if one text has all (n,)."""
    count = max(0, len(hashes) - size + 1)
    mixed, inside = np.zeros(len(hashes), np.uint64), np.zeros(len(hashes), bool)
    for place, factor in enumerate(MIX[:size]):
        part = hashes[place : place + count]
        mixed[:count] += (part ^ (part >> np.uint64(29))) * factor
    inside[:count] = owner[:count] == owner[len(owner) - count :]
    return mixed, inside


def _rarest(rows: csr_array, lengths: np.ndarray, needed: np.ndarray) -> csr_array:
    """Of each row as many of its rarest sequences as a text cannot all lack and still leak it."""
    spread = np.bincount(rows.indices, minlength=rows.shape[1])
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((spread[rows.indices], owner))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = order[rank < np.repeat(lengths - needed + 1, lengths)]
    values = (np.ones(len(kept), np.int32), (owner[kept], rows.indices[kept]))
    return csr_array(values, shape=rows.shape).T.tocsr()


def _overlaps(texts: list[str], held: Held) -> np.ndarray:
    """Which texts hold a row, or are part of one; positions."""
    hashes, owner = _sequences(texts)
    totals = np.bincount(owner, minlength=len(texts))
    order = np.argsort(hashes)  # sorted, the lookup is several times as fast
    hashes, owner = hashes[order], owner[order]
    columns = np.minimum(np.searchsorted(held.known, hashes), len(held.known) - 1)
    found = held.known[columns] == hashes
    where = (owner[found], columns[found])
    shape = (len(texts), len(held.known))
    counts = csr_array((np.ones(found.sum(), np.int32), where), shape=shape)
    counts.sum_duplicates()
    once = counts.sign()
    candidates, rows = (once @ held.rare).nonzero()
    shared = once[candidates].multiply(held.rows[rows]).sum(axis=1)
    holds = np.unique(candidates[shared >= held.needed[rows]])
    likely = (counts.sum(axis=1) >= SIMILAR * totals) & (totals >= FEWEST_SHINGLES)
    likely[holds] = False
    parts = [at for at in np.flatnonzero(likely) if _is_part(counts[[at]], totals[at], held)]
    return np.concatenate([holds, np.array(parts, np.int64)])


def _is_part(counts: csr_array, total: int, held: Held) -> bool:
    """Whether one row holds 80 % of the sequences of a text."""
    return (counts @ held.holders).max() >= SIMILAR * total
