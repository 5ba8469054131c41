"""How is unlabelled text cut into windows, and how do these reach the loop as masked batches?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from torch import Tensor

from steep.args.pretraining import Masking
from steep.data.batches import by_tokens, inner_edges, packed, pad, padded_length, separators
from steep.data.cache_files import BLOCK, select_rows
from steep.data.inputs import Frame
from steep.data.tokens import Tokens, notes_of_unknown, windows
from steep.errors import SteepError
from steep.models.devices import sent
from steep.objectives.masking import Vocabulary, mask
from steep.seeds import numbers

Batch = tuple[Tensor, ...]
ROUND = 64  # the number of masked positions is filled up to a multiple of this: few shapes
IGNORED = -100  # label of such a filling position, as torch's cross entropy has it


class Source(Protocol):
    """What cuts windows out of text, and batches out of windows: a `Pile`, or a `PairPile`."""

    @property
    def tokens(self) -> Tokens:
        """The tokens of the documents."""

    def spans(self) -> np.ndarray:
        """Where every window lies in the tokens, int64 (windows, 2 or more), its begin first."""

    def packed(self, spans: np.ndarray) -> np.ndarray:
        """Windows of `spans`, joined where that is wanted and they fit."""

    def notes(self, train: np.ndarray, heldout: np.ndarray) -> list[str]:
        """What the user should know of these parts of `spans`."""

    def plan(
        self, spans: np.ndarray, batch_tokens: int, seed: int, number: int
    ) -> Sequence[np.ndarray]:
        """The rows of each batch in pass `number`; every pass has as many batches."""

    def batch(self, spans: np.ndarray, random: np.random.Generator) -> Batch:
        """Rows of the plan, masked: inputs, positions, labels and what else is to be predicted."""


@dataclass(frozen=True)
class Pile:
    """Text as windows of at most `max_length` tokens, special tokens included.

    With `edges`, where documents begin in the tokens, a window may hold several of them.
    """

    tokens: Tokens
    frame: Frame
    words: Vocabulary
    max_length: int
    mlm_probability: float
    masking: Masking = "token"
    edges: np.ndarray | None = None

    def spans(self) -> np.ndarray:
        """Begin and end of every window in the tokens, int64 (windows, 2).

        Windows of unknown tokens alone are left out: a batch of them would have nothing to predict,
        and its mean loss would not be a number.
        """
        return select_rows(self.all_windows, self.known(self.all_windows))

    @cached_property
    def all_windows(self) -> np.ndarray:
        """Begin and end of all windows in the tokens, int64 (windows, 2)."""
        return windows(self.tokens, self.frame.room(self.max_length))

    def known(self, spans: np.ndarray) -> np.ndarray:
        """Which of the spans (n, 2) hold a token that can be masked, bool (n,)."""
        found = np.empty(len(spans), bool)
        for first in range(0, len(spans), BLOCK):  # the tokens may lie in a file, not in memory
            some = spans[first : first + BLOCK]
            begin, end = some.min(), some.max()
            known = np.append(~self.words.special[self.tokens.ids[begin:end]], False)
            found[first : first + BLOCK] = np.logical_or.reduceat(known, (some - begin).ravel())[
                ::2
            ]
        return found

    def packing(self) -> "Pile":
        """The same text, in windows that may hold several documents."""
        return replace(self, edges=np.unique(self.tokens.offsets))

    def packed(self, spans: np.ndarray) -> np.ndarray:
        """Windows of `spans`, joined where that is wanted and they fit."""
        if self.edges is None:
            return spans
        return packed(spans, self.frame.room(self.max_length), len(self.frame.after))

    def notes(self, train: np.ndarray, heldout: np.ndarray) -> list[str]:
        """What the user should know of these parts of `spans`, which are all of them.

        Raises SteepError if either is empty.
        """
        for spans, what in ((train, "train on"), (heldout, "measure on")):
            if not len(spans):
                raise SteepError(
                    f"no window of text is left to {what}: of {len(self.all_windows):,}, only "
                    f"{len(train) + len(heldout):,} hold a token that the tokenizer knows. Give "
                    "more text, or choose a checkpoint that was made for its language."
                )
        said = notes_of_unknown("given", [self.tokens])
        unknown = len(self.all_windows) - len(train) - len(heldout)
        note = f"{unknown:,} windows hold no token that the tokenizer knows: left out"
        return [*said, note] if unknown else said

    def plan(self, spans: np.ndarray, batch_tokens: int, seed: int, number: int) -> "Plan":
        """The windows of each batch in pass `number`; every pass has as many batches."""
        special = self.max_length - self.frame.room(self.max_length)
        lengths = np.subtract(spans[:, 1], spans[:, 0], dtype=np.int32, casting="unsafe") + special
        if self.edges is not None:
            lengths += (len(self.frame.after) * separators(self.edges, spans)).astype(np.int32)
        return Plan(spans, by_tokens(lengths, batch_tokens, seed, number))

    def batch(self, spans: np.ndarray, random: np.random.Generator) -> Batch:
        """The windows of `spans` (rows, 2), masked.

        Returns ids and attention mask, int64 (rows, 2, length); the masked positions in the
        flattened (rows * length), int64 (m,); and the tokens that stood there, int64 (m,).
        """
        before, after = self.frame.before, self.frame.after
        inputs = [np.concatenate([before, self._text(a, b), after]) for a, b in spans]
        return self.masked([inputs], random)

    def _text(self, begin: int, end: int) -> np.ndarray:
        """The tokens of a window, with what ends an input where a document ends within."""
        ids = self.tokens.ids[begin:end]
        if self.edges is None:
            return ids
        after, inside = self.frame.after, inner_edges(self.edges, begin, end) - begin
        return np.insert(ids, np.repeat(inside, len(after)), np.tile(after, len(inside)))

    def masked(self, channels: list[list[np.ndarray]], random: np.random.Generator) -> Batch:
        """A batch of inputs: their ids and what else comes with every token, such as segments.

        As `batch` returns it, with the further channels as rows 2 and on of the first tensor.
        """
        inputs, *others = channels
        length = min(padded_length(max(map(len, inputs))), self.max_length)
        ids = pad(inputs, self.frame.pad, length)
        attention = pad([np.ones(len(row)) for row in inputs], 0, length)
        real = np.flatnonzero(attention)
        truth = ids.ravel()[real]
        hidden, chosen = mask(truth, self.mlm_probability, self.masking, self.words, random)
        ids.ravel()[real] = hidden
        # Filling positions are position 0, with a label by which nothing is learnt there.
        fill = -len(chosen) % ROUND
        positions = np.concatenate([real[chosen], np.zeros(fill, np.int64)])
        labels = np.concatenate([truth[chosen], np.full(fill, IGNORED)])
        rows = np.stack([ids, attention, *(pad(other, 0, length) for other in others)], axis=1)
        return torch.from_numpy(rows), torch.from_numpy(positions), torch.from_numpy(labels)


@dataclass(frozen=True)
class Plan(Sequence[np.ndarray]):
    """The rows of `spans` that make up each batch; they are looked up when it is their turn."""

    spans: np.ndarray
    members: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return self.spans[self.members[index]]


class Ready(Protocol):
    """Batches that are made already."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Batch:
        """One of them."""


class Stream:
    """Rounds of `length` batches each, running through passes over the spans.

    With `total`, there are that many batches in all rounds, so that the last may be shorter.
    Batch `i` of a round depends on the seed and its number in the stream alone: masks are drawn
    anew in every pass, and a run can be resumed at any batch: `start` is the first of this round.
    """

    n_inp = 2

    def __init__(
        self,
        pile: Source,
        spans: np.ndarray,
        batch_tokens: int,
        length: int,
        seed: int,
        total: int | None = None,
    ) -> None:
        self.pile, self.spans, self.batch_tokens, self.total = pile, spans, batch_tokens, total
        self.length, self.seed, self.epoch, self.start = length, seed, 0, 0
        self._plan = 0, pile.plan(spans, batch_tokens, seed, 0)
        self.per_pass = len(self._plan[1])

    def __len__(self) -> int:
        return self.length

    def order(self) -> range:
        """The batches of this round that are to come."""
        left = self.length if self.total is None else self.total - self.epoch * self.length
        return range(self.start, min(self.length, left))

    def __getitem__(self, index: int) -> Batch:
        step = self.epoch * self.length + index
        number, place = divmod(step, self.per_pass)
        if self._plan[0] != number:  # one pass at a time: a plan is as long as the text
            self._plan = number, self.pile.plan(self.spans, self.batch_tokens, self.seed, number)
        return self.pile.batch(self._plan[1][place], numbers(self.seed, "masks", step))


def heldout_batches(pile: Source, spans: np.ndarray, batch_tokens: int, seed: int) -> list[Batch]:
    """Held-out windows in batches whose masks never change, so that losses can be compared."""
    plan = enumerate(pile.plan(spans, batch_tokens, seed, 0))
    return [pile.batch(rows, numbers(seed, "heldout masks", number)) for number, rows in plan]


def loaders(train: Stream, heldout: list[Batch], device: torch.device) -> DataLoaders:
    """fastai loaders of batches that are made already."""
    return DataLoaders(
        prebatched(train, train.order, device),
        prebatched(heldout, lambda: range(len(heldout)), device),
        device=device,
    )


def prebatched(
    batches: Ready, order: Callable[[], Sequence[int]], device: torch.device
) -> DataLoader:
    """A fastai loader of batches that are made already, in the order that it asks for each time."""
    # Without `bs`, and with functions that join nothing, fastai does not collate again.
    return DataLoader(
        batches,
        bs=None,
        get_idxs=order,
        create_batch=partial(sent, device=device),
        retain=lambda batch, _: batch,
    )
