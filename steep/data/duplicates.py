"""Which texts are the same apart from whitespace and case, and which of these differ in labels?"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from steep.data.corpus import Corpus, Data, Task
from steep.wording import brief, counted, listed, quoted

CONFLICTS = 5  # that `Conflicts` shows


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


def repeat_notes(data: Data) -> tuple[str, ...]:
    """A sentence for each part that has the same text in several of its rows."""
    hashes = {part: row_hashes(corpus) for part, corpus in data.parts.items()}
    counts = {part: len(found) - len(np.unique(found)) for part, found in hashes.items()}
    return tuple(
        f"{part}: {counted(count, 'row')} repeat{'s' * (count == 1)} the text of an earlier row"
        for part, count in counts.items()
        if count
    )


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
