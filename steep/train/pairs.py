"""How do documents become pairs of sentence runs, and pairs batches?"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from steep.args.adapt import Sentences
from steep.data.batches import padded_length, shuffled
from steep.data.tokens import Tokens, windows
from steep.errors import SteepError
from steep.objectives.sentences import halves, next_pairs, ordered_pairs, runs
from steep.seeds import numbers
from steep.train.windows import IGNORED, Batch, Pile


@dataclass(frozen=True)
class PairPile:
    """Text as pairs of segments, to guess how they belong together besides what is masked.

    `sentences` int64 (sentences + 1,): where sentences begin in the tokens of `pile`; `documents`
    int64 (documents + 1,): the first sentence of each document. A document of one sentence makes
    no pair: it comes in windows, as without pairs.
    """

    pile: Pile
    sentences: np.ndarray
    documents: np.ndarray
    kind: Sentences

    @property
    def tokens(self) -> Tokens:
        """The tokens of the documents."""
        return self.pile.tokens

    def spans(self) -> np.ndarray:
        """Begin and end of the two segments of every row in the tokens, int64 (rows, 4).

        The second is empty where there is no pair. Segments of unknown tokens alone are left out.
        """
        frame, length = self.pile.frame, self.pile.max_length
        room = frame.room(length, pair=True)
        found = runs(self.sentences, self.documents, room)
        pairs = halves(self.sentences, found[np.diff(found)[:, 0] > 1], room)
        pairs = pairs[self.pile.known(pairs.reshape(-1, 2)).reshape(-1, 2).all(1)]
        single = windows(self.tokens, frame.room(length))
        single = single[(np.diff(self.documents) == 1)[self._owner(single)]]
        single = single[self.pile.known(single)][:, [0, 1, 1, 1]]
        rows = np.concatenate([pairs, single])
        return rows[np.argsort(rows[:, 0])]

    def packed(self, spans: np.ndarray) -> np.ndarray:
        """The rows as they are: pairs fill their windows."""
        return spans

    def plan(
        self, spans: np.ndarray, batch_tokens: int, seed: int, number: int
    ) -> list[np.ndarray]:
        """The rows of each batch in pass `number`: two segments and a label, int64 (rows, 5).

        As many rows are in every batch but the last: with partners drawn anew, the widths of the
        rows differ from pass to pass, but the number of batches must not.
        """
        paired = is_pair(spans)
        random = numbers(seed, "pairs", number)
        rows = np.concatenate([spans, np.full((len(spans), 1), IGNORED)], 1)
        if self.kind == "next":
            made, labels = next_pairs(spans[paired], self._owner(spans[paired]), random)
        else:
            made, labels = ordered_pairs(spans[paired], random)
        rows[paired] = np.concatenate([made, labels[:, None]], 1)
        size = max(1, batch_tokens // padded_length(self._longest(spans)))
        order = shuffled(_widths(rows).sum(1), size, seed, number)
        return [rows[members] for members in np.split(order, range(size, len(order), size))]

    def batch(self, spans: np.ndarray, random: np.random.Generator) -> Batch:
        """The rows of `spans` (rows, 5), masked.

        Returns ids, attention mask and segments, int64 (rows, 3, length); masked positions and
        labels as a `Pile` does; and the labels of the pairs, int64 (rows,), `IGNORED` for none.
        """
        around, ids = self.pile.frame, self.tokens.ids
        inputs, segments = [], []
        for a, b, c, d, _ in spans:
            first = np.concatenate([around.before, ids[a:b], around.between if d > c else []])
            second = np.concatenate([ids[c:d], around.after])
            inputs.append(np.concatenate([first, second]))
            types = around.types if d > c else around.types[:1] * 2
            segments.append(np.repeat(types, [len(first), len(second)]))
        return *self.pile.masked([inputs, segments], random), torch.from_numpy(spans[:, 4].copy())

    def notes(self, train: np.ndarray, heldout: np.ndarray) -> list[str]:
        """What the user should know of the rows to train on and to measure on.

        Raises SteepError if either holds too few documents to make pairs of.
        """
        self._check(train, "to train on")
        self._check(heldout, "kept aside to measure on")
        rows = np.concatenate([train, heldout])
        lone = int((np.diff(self.documents) == 1).sum())
        cut = 1 - _widths(rows).sum() / len(self.tokens.ids)
        half = {"next": "the second is of a random other document", "order": "they are swapped"}
        notes = [f"{is_pair(rows).sum():,} pairs of sentence runs; in half, {half[self.kind]}"]
        if lone:
            notes.append(f"{lone:,} documents of one sentence make no pair: masked tokens alone")
        if cut > 0:
            notes.append(f"{cut:.1%} of the tokens are left out: runs are cut to half a window")
        return notes

    def _check(self, spans: np.ndarray, what: str) -> None:
        found = len(np.unique(self._owner(spans[is_pair(spans)])))
        least = 2 if self.kind == "next" else 1
        if found < least:
            raise SteepError(
                f"sentences {self.kind}: {found} of the documents {what} have two sentences or "
                f"more, and {least} must. Give longer documents (--unit says what a document of a "
                "text file is), or use --sentences none."
            )

    def _owner(self, spans: np.ndarray) -> np.ndarray:
        """The document that each of the rows is of, int64 (rows,)."""
        return np.searchsorted(self.tokens.offsets, spans[:, 0], side="right") - 1

    def _longest(self, spans: np.ndarray) -> int:
        """Tokens of the longest row that any partner can give."""
        special = self.pile.max_length - self.pile.frame.room(self.pile.max_length, pair=True)
        return min(int(_widths(spans).max(0).sum()) + special, self.pile.max_length)


def is_pair(spans: np.ndarray) -> np.ndarray:
    """Which rows have a second segment, bool (rows,)."""
    return spans[:, 3] > spans[:, 2]


def pair_pile(pile: Pile, documents: np.ndarray, kind: Sentences) -> PairPile:
    """Pairs of the sentences that are the texts of `pile`; `documents` as in `PairPile`.

    Sentences without tokens are left out.
    """
    kept = pile.tokens.lengths > 0
    sentences = np.append(pile.tokens.offsets[:-1][kept], pile.tokens.offsets[-1])
    first = np.concatenate([[0], np.cumsum(kept)])[documents]
    whole = Tokens(pile.tokens.ids, sentences[first])
    return PairPile(replace(pile, tokens=whole), sentences, first, kind)


def _widths(rows: np.ndarray) -> np.ndarray:
    """Tokens in the segments of rows, int64 (rows, 2)."""
    return rows[:, [1, 3]] - rows[:, [0, 2]]
