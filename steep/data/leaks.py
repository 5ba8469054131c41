"""Which texts give a held-out row away? The same, nearly the same, one that holds it, a part of it.

One guard for unlabelled text and for labelled rows. What is compared are words, however they are
written (`steep.data.words`). A text is

- equal to a row: the same letters and digits, whatever the length of both;
- nearly a row: it shares half of the row's sequences of three words (`steep.data.shingles`), and
  80 % of the row's words stand in it in their order;
- one that holds a row: so do 90 % of the words, in a passage of a longer text. Of a row of 6 to 11
  words all of it, in a text of at most six times its length; rows that are shorter yet are looked
  for as whole texts alone, since who writes "one of the best" has not copied it;
- a part of a row: the same the other way round, of texts of 12 words or more.

Candidates share sequences, as in copy detection by fingerprints (Schleimer, Wilkerson & Aiken 2003,
"Winnowing"), here of all sequences; then their words are aligned. A sequence that more than `STOCK`
different held-out rows have is a stock phrase, which says nothing; so the work is linear in the
texts. What lies in memory is the index of the held-out rows; all other texts are streamed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from steep.console import track
from steep.data.corpus import Corpus
from steep.data.shingles import LONGER, SIMILAR, WHOLE, Sequences, sequences, stand_in
from steep.data.words import Document, Words, plain_key, plain_words

NONE, EQUAL, NEAR, HOLDS, PART = range(-1, 4)  # kinds of leaks
CLOSE = 0.9  # of the words of a row, in a longer text
SPAN = 6  # times the words of a short row that a text which holds it may have
STOCK = 100  # held-out rows
CHUNK = 1000  # documents read at once
BATCH = 1 << 18  # characters looked up at once
PIECE = 1 << 16  # characters: a longer text is searched piece by piece
TRIES = 10  # candidates of a text that are aligned, at most


@dataclass(frozen=True)
class Documents:
    """The texts of a corpus, one after the other; or its rows, which may be pairs of texts."""

    corpus: Corpus
    columns: tuple[str, ...] = ("text",)

    def __len__(self) -> int:
        return len(self.corpus)

    def at(self, positions: np.ndarray) -> list[Document]:
        """Those at these positions, int64 (n,)."""
        rows = self.corpus.table[positions.tolist()]
        return list(zip(*(rows[name] for name in self.columns), strict=True))

    def chunks(self) -> Iterator[list[Document]]:
        """All of them in their order, `CHUNK` at a time."""
        columns = (self.corpus.texts(name, CHUNK) for name in self.columns)
        for texts in zip(*columns, strict=True):
            yield list(zip(*texts, strict=True))


def rows_of(corpus: Corpus) -> Documents:
    """The rows of a table: a pair of texts is one document."""
    return Documents(corpus, ("text", "pair") if corpus.has_pairs else ("text",))


def texts_of(corpora: Iterable[Corpus]) -> list[Documents]:
    """The texts of tables: a second text is a document of its own."""
    return [Documents(one, (name,)) for one in corpora for name in rows_of(one).columns]


@dataclass(frozen=True)
class Leaks:
    """Of each text the kind of its leak, int8 (texts,), and the held-out row, int64 (texts,).

    -1 where there is none. Rows are counted through all held-out parts.
    """

    kind: np.ndarray
    row: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Which texts leak, bool (texts,)."""
        return self.kind > NONE

    def counts(self) -> np.ndarray:
        """How many texts there are of each kind, int64 (4,)."""
        return np.bincount(self.kind[self.found], minlength=4)


@dataclass(frozen=True)
class Held:
    """Held-out rows, ready to be looked for.

    `parts` are they themselves; `keys` the hashes of whole documents, int64 (different ones,),
    sorted, and `places` their rows. `known` uint64 (sequences,), sorted; the rows that have
    sequence `i` are `holders[begins[i]:begins[i + 1]]`, none of a stock phrase. `totals` are the
    other sequences of each row, `needed` the share of them that a copy has; `longest` the
    characters of the longest row.
    """

    parts: tuple[Documents, ...]
    keys: np.ndarray
    places: np.ndarray
    known: np.ndarray
    begins: np.ndarray
    holders: np.ndarray
    totals: np.ndarray
    needed: np.ndarray
    longest: int

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def words(self, rows: np.ndarray) -> dict[int, Words]:
        """The words of these rows, int64 (n,)."""
        found: dict[int, Words] = {}
        first = 0
        for part in self.parts:
            own = np.unique(rows[(rows >= first) & (rows < first + len(part))])
            for row, document in zip(own.tolist(), part.at(own - first), strict=True):
                found[row] = tuple(map(plain_words, document))
            first += len(part)
        return found


def held_out(parts: Iterable[Documents]) -> Held:
    """The index of held-out rows; of equal ones the first."""
    parts, first, longest = tuple(parts), 0, 0
    keys, hashes, owners, needed = ([np.zeros(0, kind)] for kind in ("i8", "u8", "i4", "f4"))
    seen: set[int] = set()
    for documents in chain.from_iterable(part.chunks() for part in parts):
        words = [tuple(map(plain_words, document)) for document in documents]
        own = _keys(documents, words)
        found = sequences(words)
        kept = (_are_new(own, seen) & (found.needed > 0))[found.owner]
        pairs = _distinct(found.owner[kept], found.hashes[kept])
        owners.append((first + pairs[0]).astype(np.int32))
        hashes.append(pairs[1])
        keys.append(own)
        needed.append(found.needed)
        longest = max(longest, *(len(text) for document in documents for text in document))
        first += len(documents)
    known, begins, holders = _by_hash(*map(np.concatenate, (hashes, owners)))
    unique, places = np.unique(np.concatenate(keys), return_index=True)
    totals = np.bincount(holders, minlength=first)
    return Held(
        parts, unique, places, known, begins, holders, totals, np.concatenate(needed), longest
    )


def find_leaks(texts: Documents, held: Held, first: int | None = None) -> Leaks:
    """The leaks among `texts`, which are streamed; with `first`, only of so many held-out rows."""
    kind, row = np.full(len(texts), NONE, np.int8), np.full(len(texts), -1, np.int64)
    most = len(held) if first is None else first
    if most:
        chunks = track(texts.chunks(), -(-len(texts) // CHUNK), "looking for leaks")
        for number, documents in enumerate(chunks):
            for owners, pieces in _batches(documents, held.longest):
                kinds, rows = _search(pieces, held, most)
                leaking = kinds > NONE
                at = number * CHUNK + np.array(owners)[leaking]
                kind[at], row[at] = kinds[leaking], rows[leaking]
    return Leaks(kind, row)


def _are_new(keys: np.ndarray, seen: set[int]) -> np.ndarray:
    """Which keys are not `seen` yet, bool (keys,); then they are."""
    new = np.ones(len(keys), bool)
    for at, key in enumerate(keys.tolist()):
        new[at] = key not in seen
        seen.add(key)
    return new


def _batches(documents: list[Document], longest: int) -> Iterator[tuple[list[int], list[Document]]]:
    """Positions in `documents`, and documents; of a long one pieces, which share a row's length.

    Not the whole text: somewhere in a novel most short sequences of words occur.
    """
    size, batch = max(PIECE, 4 * longest), 0
    owners: list[int] = []
    pieces: list[Document] = []
    for at, document in enumerate(documents):
        text = document[0]
        ends = range(0, max(1, len(text) - 2 * longest), size - 2 * longest)
        whole = len(document) > 1 or len(text) <= size
        for piece in [document] if whole else [(text[i : i + size],) for i in ends]:
            owners.append(at)
            pieces.append(piece)
            batch += sum(map(len, piece))
            if batch >= BATCH:
                yield owners, pieces
                owners, pieces, batch = [], [], 0
    if pieces:
        yield owners, pieces


def _keys(documents: Sequence[Document], words: Sequence[Words]) -> np.ndarray:
    """A hash of each document, int64 (documents,).

    Python's hashes differ from process to process; these never leave this one.
    """
    keys = (hash(plain_key(*pair)) for pair in zip(documents, words, strict=True))
    return np.fromiter(keys, np.int64, len(documents))


def _distinct(owner: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pair of them once, by owner."""
    order = np.lexsort((hashes, owner))
    owner, hashes = owner[order], hashes[order]
    new = np.ones(len(owner), bool)
    new[1:] = (owner[1:] != owner[:-1]) | (hashes[1:] != hashes[:-1])
    return owner[new], hashes[new]


def _by_hash(hashes: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Different hashes, sorted; where the owners of each begin (one more); these owners.

    Of stock phrases there are none.
    """
    order = np.argsort(hashes, kind="stable")
    known, counts = np.unique(hashes[order], return_counts=True)
    stock = counts > STOCK
    holders = owners[order][np.repeat(~stock, counts)]
    begins = np.concatenate([[0], np.cumsum(np.where(stock, 0, counts))])
    return known, begins, holders


def _search(documents: list[Document], held: Held, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The kind of the leak of each document, int8 (documents,), and the row; -1 for none."""
    words = [tuple(map(plain_words, document)) for document in documents]
    keys = _keys(documents, words)
    at = np.minimum(np.searchsorted(held.keys, keys), len(held.keys) - 1)
    equal = (held.keys[at] == keys) & (held.places[at] < most)
    kinds = np.where(equal, EQUAL, NONE).astype(np.int8)
    rows = np.where(equal, held.places[at], -1)
    rest = np.flatnonzero(~equal)
    text, row, is_part = _candidates([words[one] for one in rest], held, most)
    known = held.words(row)
    for one, other, part in zip(rest[text].tolist(), row.tolist(), is_part.tolist(), strict=True):
        if kinds[one] == NONE:
            kinds[one] = _verified(words[one], known[other], float(held.needed[other]), part)
            rows[one] = other if kinds[one] > NONE else -1
    return kinds, rows


def _candidates(words: Sequence[Words], held: Held, most: int) -> tuple[np.ndarray, ...]:
    """Documents, rows of which they may be copies, and if as parts; (n,) each.

    Of each document `TRIES` at most, those that share most sequences first.
    """
    found = sequences(words)
    totals = np.bincount(found.owner, minlength=len(words))
    text, place, times = _known(found, held)
    spread = np.diff(held.begins)[place]
    totals = totals - np.bincount(text, times * (spread == 0), minlength=len(words))
    begin = held.begins[place] - np.cumsum(spread) + spread
    rows = held.holders[np.repeat(begin, spread) + np.arange(spread.sum())].astype(np.int64)
    pairs, inverse = np.unique(np.repeat(text, spread) * len(held) + rows, return_inverse=True)
    shared = np.bincount(inverse, minlength=len(pairs))
    weight = np.bincount(inverse, np.repeat(times, spread), minlength=len(pairs))
    text, rows = np.divmod(pairs, max(1, len(held)))
    holds = shared >= held.needed[rows] * held.totals[rows]
    own = found.needed[text]
    part = ~holds & (own > 0) & (own < WHOLE) & (weight >= np.maximum(SIMILAR, own) * totals[text])
    chosen = np.flatnonzero((holds | part) & (rows < most))
    chosen = chosen[np.lexsort((-shared[chosen], text[chosen]))]
    rank = np.arange(len(chosen)) - np.searchsorted(text[chosen], text[chosen])
    chosen = chosen[rank < TRIES]
    return text[chosen], rows[chosen], part[chosen]


def _known(found: Sequences, held: Held) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Documents, which held-out sequences they have, and how often; each pair once."""
    order = np.argsort(found.hashes)  # sorted, the lookup is several times as fast
    hashes, owner = found.hashes[order], found.owner[order]
    place = np.searchsorted(held.known, hashes)
    hit = place < len(held.known)
    hit[hit] = held.known[place[hit]] == hashes[hit]
    size = max(1, len(held.known))
    cells, times = np.unique(owner[hit] * size + place[hit], return_counts=True)
    return *np.divmod(cells, size), times


def _verified(text: Words, row: Words, needed: float, is_part: bool) -> int:
    """The kind of a candidate's leak; -1 where its words are not those of the row."""
    length, own = sum(map(len, text)), sum(map(len, row))
    kind = PART if is_part else HOLDS if length > LONGER * own else NEAR
    if len(text) != len(row) or (needed == WHOLE and length > SPAN * own):
        return NONE
    least = max(needed, SIMILAR if kind == NEAR else CLOSE)
    pairs = zip(text, row, strict=True) if is_part else zip(row, text, strict=True)
    return kind if all(stand_in(one, other, least) for one, other in pairs) else NONE
