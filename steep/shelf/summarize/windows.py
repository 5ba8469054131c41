"""How do documents reach an encoder? In windows of whole sentences; each is scored in one of them.

Windows overlap, and a sentence is scored where it lies farthest from where the text was cut. With
[CLS] before each sentence, segments alternate from sentence to sentence where the checkpoint has
two (interval segments: Liu & Lapata 2019, "Text Summarization with Pretrained Encoders", section
3.1); with the mean of tokens, no token is put between sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from steep.data.batches import pad, padded_length
from steep.data.inputs import Frame
from steep.data.tokens import Tokens
from steep.shelf.summarize.facts import facts_of


@dataclass(frozen=True)
class Layout:
    """How sentences lie in an input of `max_length` tokens.

    `first`: the token before each sentence stands for it, else the mean of its own. `overlap` is
    the share of a window that the next one may have, too.
    """

    frame: Frame
    first: bool
    segments: bool
    max_length: int
    overlap: float

    @property
    def special(self) -> int:
        """Tokens around a sentence, or around a window."""
        return len(self.frame.before) + len(self.frame.after)

    @property
    def longest(self) -> int:
        """Tokens of a sentence that are read, at most."""
        return self.max_length - self.special

    def cut(self, lengths: np.ndarray) -> np.ndarray:
        """First and end of each window of a document, in sentences, int64 (windows, 2)."""
        costs = np.clip(lengths, 1, self.longest) + (self.special if self.first else 0)
        room = self.max_length if self.first else self.longest
        ends = np.concatenate([[0], np.cumsum(costs)])
        found, start, end = [], 0, 0
        while end < len(lengths):
            end = int(np.searchsorted(ends, ends[start] + room, side="right")) - 1
            found.append((start, end))
            if end < len(lengths):  # the next one has one new sentence at least
                shared = min(self.overlap * room, room - costs[end])
                start = int(np.searchsorted(ends, ends[end] - shared))
        return np.array(found, np.int64).reshape(-1, 2)


def owners(windows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Which window scores each sentence of a document, int64 (sentences,).

    The one in which its middle is farthest from a cut; where a document begins or ends is no cut.
    """
    ends = np.concatenate([[0], np.cumsum(np.maximum(lengths, 1))])
    middle, best = (ends[:-1] + ends[1:]) / 2, np.full(len(lengths), -np.inf)
    found = np.zeros(len(lengths), np.int64)
    for number, (a, b) in enumerate(windows):
        left = middle[a:b] - ends[a] if a else np.inf
        right = ends[b] - middle[a:b] if b < len(lengths) else np.inf
        depth = np.minimum(left, right) * np.ones(b - a)
        better = depth > best[a:b]
        found[a:b][better], best[a:b][better] = number, depth[better]
    return found


class Laid(NamedTuple):
    """A batch: ids, mask (and segments), int64 (rows, 2 or 3, length); and whose each token is.

    The latter is int64 (rows, length), a number from 0 on for each sentence, -1 for none. Of each
    sentence there are its facts, float32 (m, FACTS).
    """

    inputs: np.ndarray
    whose: np.ndarray
    facts: np.ndarray


@dataclass(frozen=True)
class Windows:
    """The windows of documents whose sentences are the texts of `tokens`, end to end.

    `documents` int64 (documents + 1,): the first sentence of each.
    """

    tokens: Tokens
    documents: np.ndarray
    layout: Layout

    @cached_property
    def _cut(self) -> tuple[np.ndarray, np.ndarray]:
        spans, own, count = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)], 0
        for a, b in pairwise(self.documents.tolist()):
            windows = self.layout.cut(self.tokens.lengths[a:b])
            own.append(owners(windows, self.tokens.lengths[a:b]) + count)
            spans.append(windows + a)
            count += len(windows)
        return np.concatenate(spans), np.concatenate(own)

    @property
    def spans(self) -> np.ndarray:
        """First sentence and end of each window, int64 (windows, 2)."""
        return self._cut[0]

    @property
    def owner(self) -> np.ndarray:
        """The window that scores each sentence, int64 (sentences,)."""
        return self._cut[1]

    @cached_property
    def facts(self) -> np.ndarray:
        """What is known of each sentence beside its tokens, float32 (sentences, FACTS)."""
        return facts_of(self.tokens, self.documents)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each window with special ones, int64 (windows,)."""
        special = self.layout.special
        read = np.clip(self.tokens.lengths, 1, self.layout.longest)
        ends = np.concatenate([[0], np.cumsum(read + (special if self.layout.first else 0))])
        inside = ends[self.spans[:, 1]] - ends[self.spans[:, 0]]
        return inside if self.layout.first else inside + special

    def laid(self, members: np.ndarray) -> Laid:
        """Some windows as a batch."""
        rows, count = [], 0
        for first, end in self.spans[members].tolist():
            rows.append(self._row(first, end, count))
            count += end - first
        length = padded_length(max(row.shape[1] for row in rows))
        fills = (self.layout.frame.pad, 0, 0)[: 3 if self.layout.segments else 2]
        inputs = [pad([row[k] for row in rows], fill, length) for k, fill in enumerate(fills)]
        whose = pad([row[3] for row in rows], -1, length)
        return Laid(np.stack(inputs, axis=1), whose, self.facts[self.sentences(members)[0]])

    def sentences(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sentences of some windows, int64 (m,), and if the window is the one to score each."""
        numbers = np.concatenate([np.arange(*self.spans[i]) for i in members])
        window = np.repeat(members, np.diff(self.spans[members])[:, 0])
        return numbers, self.owner[numbers] == window

    def put(self, scores: np.ndarray, members: np.ndarray, found: np.ndarray) -> None:
        """Put what was `found` for some windows, (m, ...), in its places in `scores`."""
        numbers, scored = self.sentences(members)
        scores[numbers[scored]] = found[scored]

    def _row(self, first: int, end: int, count: int) -> np.ndarray:
        """Ids, mask, segments and whose of a window, int64 (4, tokens)."""
        layout, frame = self.layout, self.layout.frame
        parts = []
        for place, number in enumerate(range(first, end)):
            ids = self.tokens[number][: layout.longest].tolist() or [frame.pad]
            if layout.first:
                ids = [*frame.before, *ids, *frame.after]
            parts.append(_tokens(ids, place % 2, count + place))
            if layout.first:
                parts[-1][3, 1:] = -1
        if not layout.first:
            last = parts[-1][2, -1]
            parts = [_tokens(frame.before, 0, -1), *parts, _tokens(frame.after, last, -1)]
        return np.concatenate(parts, axis=1)

    def notes(self) -> list[str]:
        """How documents are read, and what of them is not."""
        cut = self.tokens.lengths > self.layout.longest
        counts = np.bincount(np.searchsorted(self.documents[1:], self.spans[:, 0], side="right"))
        several = f"{len(self.spans):,} windows of whole sentences, {counts.max()} at most of one"
        told = [f"{len(self.documents) - 1:,} documents in {several}: all sentences are read"]
        if cut.any():
            told.append(f"{cut.sum():,} sentences are longer than a window: their ends are cut off")
        return told


def _tokens(ids: Sequence[int], segment: int, whose: int) -> np.ndarray:
    """Ids, mask, segment and whose of some tokens, int64 (4, tokens)."""
    rest = np.repeat([[1], [segment], [whose]], len(ids), axis=1)
    return np.concatenate([np.array([ids], np.int64).reshape(1, -1), rest])
