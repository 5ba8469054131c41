"""Which texts occur twice, which are in two parts of the data, and which have different labels?

Exact: the same apart from whitespace and case. Near: shingles of 3 words (of scripts without
blanks: of 3 characters, see `steep.data.words`) with a Jaccard similarity of 0.8 or more, found by
MinHash and locality-sensitive hashing (Leskovec et al., Mining of Massive Datasets, chapter 3),
then verified exactly.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steep.data.corpus import Corpus, Data, Task
from steep.wording import brief, counted, listed, quoted

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

SIMILAR = 0.8
SHINGLE = 3
FEWEST_SHINGLES = 10
PERMUTATIONS = 64
EXAMPLES = 5
CONFLICTS = 5  # that `Conflicts` shows
FOR_RECALL = (0.1, 0.9)  # candidates are verified, so a false one only costs time

Found = tuple[int, int, float]  # position in the part, position in the other, similarity


@dataclass(frozen=True)
class Pair:
    """A row of one part and a row of another with the same or nearly the same text."""

    part: str
    row: int
    other: str
    other_row: int
    similarity: float
    exact: bool


@dataclass(frozen=True)
class Duplicates:
    """Rows whose text occurs elsewhere.

    `within` counts the rows of a part that repeat an earlier row of it; `exact` and `near` the rows
    of a part whose text another part has, by (part, other part). `examples` names a few pairs.
    """

    within: dict[str, int]
    exact: dict[tuple[str, str], int]
    near: dict[tuple[str, str], int]
    examples: tuple[Pair, ...]

    def notes(self) -> tuple[str, ...]:
        """A sentence for every kind of duplicate that was found."""
        within = [
            f"{part}: {count:,} rows repeat the text of an earlier row"
            for part, count in self.within.items()
            if count
        ]
        kinds = (("the same", True, self.exact), ("nearly the same", False, self.near))
        across = [
            f"{part}: {count:,} rows have {kind} text as a row of {other}"
            f" (rows {self._named(part, other, exact)})"
            for kind, exact, counts in kinds
            for (part, other), count in counts.items()
            if count
        ]
        return (*within, *across)

    def _named(self, part: str, other: str, exact: bool) -> str:
        return ", ".join(
            f"{pair.row + 1} = {pair.other_row + 1}"
            for pair in self.examples
            if (pair.part, pair.other, pair.exact) == (part, other, exact)
        )


def text_hashes(texts: Iterable[str]) -> np.ndarray:
    """A hash of each text, less whitespace and case, uint64 (n,); the same on every machine."""
    digests = (
        hashlib.blake2b(" ".join(text.casefold().split()).encode(), digest_size=8).digest()
        for text in texts
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def corpus_hashes(corpus: Corpus) -> np.ndarray:
    """The hash of the text of every row, uint64 (n,)."""
    return np.concatenate([np.zeros(0, np.uint64), *map(text_hashes, corpus.texts())])


def row_hashes(corpus: Corpus) -> np.ndarray:
    """The hash of every row: of its text, or of its text and pair; uint64 (n,)."""
    if not corpus.has_pairs:
        return corpus_hashes(corpus)
    both = zip(corpus.texts(), corpus.texts("pair"), strict=True)
    joined = (map("\n".join, zip(texts, pairs, strict=True)) for texts, pairs in both)
    return np.concatenate([np.zeros(0, np.uint64), *map(text_hashes, joined)])


def find_duplicates(data: Data, near: bool = True) -> Duplicates:
    """Duplicates within the parts and across; near ones of valid and test against train."""
    hashes = {part: row_hashes(corpus) for part, corpus in data.parts.items()}
    within = {part: len(h) - len(np.unique(h)) for part, h in hashes.items()}
    exact: dict[tuple[str, str], int] = {}
    examples: list[Pair] = []
    for part, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        if part in hashes:
            pairs = _same(hashes[part], hashes[other])
            exact[part, other] = len(pairs)
            examples += _name(data, part, other, pairs[:EXAMPLES], exact=True)
    near_counts: dict[tuple[str, str], int] = {}
    if near:
        known = hashes["train"]
        for part, found in _near_parts(data, {p: np.isin(h, known) for p, h in hashes.items()}):
            near_counts[part, "train"] = len(found)
            examples += _name(data, part, "train", found[:EXAMPLES], exact=False)
    return Duplicates(within, exact, near_counts, tuple(examples))


def _same(hashes: np.ndarray, others: np.ndarray) -> list[Found]:
    """Texts that occur in both, each with the first one in `others`."""
    known, first = np.unique(others, return_index=True)
    at = np.flatnonzero(np.isin(hashes, known))
    places = first[np.searchsorted(known, hashes[at])]
    return [(a, b, 1.0) for a, b in zip(at.tolist(), places.tolist(), strict=True)]


def _name(data: Data, part: str, other: str, found: list[Found], exact: bool) -> list[Pair]:
    rows, other_rows = data.parts[part].rows(), data.parts[other].rows()
    return [Pair(part, int(rows[a]), other, int(other_rows[b]), s, exact) for a, b, s in found]


def _near_parts(data: Data, exact: dict[str, np.ndarray]) -> Iterator[tuple[str, list[Found]]]:
    """For valid and test: positions there and in train, and the similarity; not the exact ones."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=SIMILAR, num_perm=PERMUTATIONS, weights=FOR_RECALL)
    with index.insertion_session() as session:
        for at, _, sketch in _sketches(data.train):
            session.insert(at, sketch, check_duplication=False)
    for part, corpus in data.parts.items():
        if part != "train":
            yield part, list(_near(corpus, data.train, index, exact[part]))


def _near(corpus: Corpus, train: Corpus, index: "MinHashLSH", exact: np.ndarray) -> Iterator[Found]:
    for at, shingles, sketch in _sketches(corpus):
        if exact[at]:
            continue
        candidates = index.query(sketch)
        similar = [(_jaccard(shingles, _shingles(train.table[c]["text"])), -c) for c in candidates]
        best, other = max(similar, default=(0.0, 0))
        if best >= SIMILAR:
            yield at, -other, best


def _sketches(corpus: Corpus) -> Iterator[tuple[int, set[bytes], "MinHash"]]:
    """Position, shingles and MinHash of the texts that are long enough to compare."""
    from datasketch import MinHash

    start = 0
    for texts in corpus.texts():
        sets = {start + i: _shingles(text) for i, text in enumerate(texts)}
        long = {at: shingles for at, shingles in sets.items() if len(shingles) >= FEWEST_SHINGLES}
        sketches = MinHash.bulk(long.values(), num_perm=PERMUTATIONS, hashfunc=zlib.crc32)
        yield from zip(long, long.values(), sketches, strict=True)
        start += len(texts)


def _shingles(text: str) -> set[bytes]:
    from steep.data.words import words_in

    words = words_in(text.casefold())
    runs = zip(*(words[place:] for place in range(SHINGLE)), strict=False)
    return set(map(str.encode, map(" ".join, runs)))


def _jaccard(one: set[bytes], other: set[bytes]) -> float:
    return len(one & other) / len(one | other)


@dataclass(frozen=True)
class Conflicts:
    """How many texts have different labels, and in how many rows; a few, each with its labels."""

    texts: int = 0
    rows: int = 0
    examples: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def notes(self) -> tuple[str, ...]:
        """A sentence with the counts; none where there are no such texts."""
        if not self.texts:
            return ()
        told = f"{counted(self.texts, 'text')} in {self.rows:,} rows occur with different labels"
        return (f"{told}: at most one of them is right ('steep check' lists some)",)

    def lines(self) -> list[str]:
        """A line an example: its text, shortened, and its labels."""
        return [f"{quoted(text)}: {listed(list(labels))}" for text, labels in self.examples]


def find_conflicts(corpora: Iterable[Corpus]) -> Conflicts:
    """The texts with different labels in these rows of one task; quantities have none."""
    parts = [corpus for corpus in corpora if len(corpus)]
    if not parts or parts[0].task is None or parts[0].task.kind == "regression":
        return Conflicts()
    hashes = np.concatenate([row_hashes(corpus) for corpus in parts])
    labels = np.concatenate([corpus.labels() for corpus in parts])
    _, first, text = np.unique(hashes, return_index=True, return_inverse=True)
    _, label = np.unique(labels, axis=0, return_inverse=True)
    pairs = np.unique(np.stack([text.ravel(), label.ravel()], axis=1), axis=0)
    found = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)
    shown = found[np.argsort(first[found])][:CONFLICTS]
    examples = [
        (_text(parts, int(first[one])), _names(parts[0].task, labels[text.ravel() == one]))
        for one in shown
    ]
    return Conflicts(len(found), int(np.isin(text, found).sum()), tuple(examples))


def _text(parts: list[Corpus], at: int) -> str:
    """The text of row `at` of all parts."""
    for corpus in parts:
        if at < len(corpus):
            return brief(str(corpus.table[at]["text"]))
        at -= len(corpus)
    raise IndexError(at)


def _names(task: Task, labels: np.ndarray) -> tuple[str, ...]:
    """The different labels of rows, in words."""
    if task.kind == "single":
        return tuple(task.labels[int(one)] for one in np.unique(labels))
    rows = np.unique(labels, axis=0) > 0.5
    sets = [[name for name, has in zip(task.labels, row, strict=True) if has] for row in rows]
    return tuple("|".join(names) or "none" for names in sets)
