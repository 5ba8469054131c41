"""How is step 2 trained on sentence pairs, too? Their batches, loss and accuracy."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from steep.args import PretrainArgs
from steep.data.batches import padded_length, shuffled
from steep.data.corpus import Corpus
from steep.data.inputs import frame
from steep.data.tokens import Tokens, check_known, tokenize, windows
from steep.data.words import split_sentences
from steep.errors import SteepError
from steep.models.masked_lm import MaskedLanguageModel
from steep.objectives.masking import vocabulary
from steep.seeds import numbers
from steep.shelf.sentence_pairs import Sentences
from steep.shelf.sentence_pairs.sentence_runs import (
    PAIR_HEADS,
    cut_runs,
    cut_segments,
    next_pairs,
    ordered_pairs,
)
from steep.train.engine import Part, Tensors
from steep.train.heldout import Measure
from steep.train.objective import Objective, cut_masked, masked_loss, share_of
from steep.train.pile import IGNORED, Batch, Pile


def pair_objective(kind: Sentences) -> Objective:
    """Masked tokens and sentence pairs, as the objective of step 2."""
    pile = partial(pairs_of, kind)
    return Objective(PAIR_HEADS, pile, pretraining_loss, cut_pairs, lambda: [PairScores()])


def pairs_of(
    kind: Sentences, text: Corpus, lm: MaskedLanguageModel, pretrain: PretrainArgs
) -> "PairPile":
    """A corpus as pairs of sentence runs; SteepError if the tokenizer marks no second segment."""
    around, how = frame(lm.tokenizer), pretrain.objective
    words = vocabulary(lm.tokenizer, how.masking)
    if around.types[0] == around.types[1]:
        raise SteepError(
            f"{lm.tokenizer.name_or_path}: its tokenizer gives both segments the same type. Use "
            "--sentences none."
        )
    sentences, documents = split_sentences(text)
    tokens, length = tokenize(sentences, lm.tokenizer), pretrain.length.max_length
    check_known(lm.tokenizer, [tokens])
    pile = Pile(tokens, around, words, length, how.mlm_probability, how.masking)
    return pair_pile(pile, documents, kind)


@dataclass(frozen=True)
class PairPile:
    """Text as pairs of segments, of which to predict how they belong together.

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
        found = cut_runs(self.sentences, self.documents, room)
        pairs = cut_segments(self.sentences, found[np.diff(found)[:, 0] > 1], room)
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
        self._check(heldout, "held out to measure on")
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


def pretraining_loss(
    logits: tuple[Tensor, Tensor], labels: Tensor, pair_labels: Tensor, shares: Tensor | None = None
) -> Tensor:
    """The masked loss plus that of the pairs, as in BERT; rows without a pair are ignored in it.

    `shares` (2,): how much of a batch's masked tokens, and of its pairs, is in this part of it.
    """
    masked, pairs = logits
    count = (pair_labels != IGNORED).sum().clamp(min=1)
    total = cross_entropy(pairs.float(), pair_labels, ignore_index=IGNORED, reduction="sum")
    if shares is None:
        return masked_loss(masked, labels) + total / count
    return masked_loss(masked, labels) * shares[0] + shares[1] * total / count


def cut_pairs(inputs: Tensors, labels: Tensors, parts: int) -> list[Part]:
    """A batch of a `PairPile` as so many parts of as many rows, give or take one.

    Two means count by two shares, so these come as the last of a part's labels (see
    `pretraining_loss`).
    """
    tokens, pairs = labels
    found = cut_masked(inputs, (tokens,), parts)
    if len(found) == 1:
        return [Part(inputs, labels)]
    start, cut = 0, []
    for part in found:
        own = slice(start, start + len(part.inputs[0]))
        share = share_of(pairs[own] != IGNORED, pairs != IGNORED)
        both = torch.stack([torch.as_tensor(part.share), share])
        cut.append(Part(part.inputs, (*part.labels, pairs[own], both)))
        start = own.stop
    return cut


class PairScores(Measure):
    """The share of the held-out pairs that are judged right."""

    right = pairs = 0

    def before_validate(self) -> None:
        self.right, self.pairs = 0, 0

    def after_pred(self) -> None:
        labels, logits = self.yb[1], self.pred[1]
        self.right += int((logits.argmax(-1) == labels).sum())
        self.pairs += int((labels != IGNORED).sum())

    @property
    def found(self) -> dict[str, float]:
        """The accuracy, as results.json has it."""
        return {"pair_accuracy": self.right / self.pairs} if self.pairs else {}

    @property
    def facts(self) -> dict[str, Any]:
        """How many pairs were judged."""
        return {"heldout_pairs": self.pairs}
