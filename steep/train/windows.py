"""How do masked windows reach the training loop? Rounds of batches, and held-out ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader

from steep.seeds import numbers
from steep.train.objective import Objective
from steep.train.pile import Batch, Source
from steep.train.probe import Probe


@dataclass(frozen=True)
class Laid:
    """A text laid out for step 2: its windows, and what is learnt and measured of them.

    `train` and `heldout` are windows of `pile`, as its `spans` gives them; `probe` is asked
    whenever held-out text is measured.
    """

    pile: Source
    train: np.ndarray
    heldout: np.ndarray
    probe: Probe | None = None
    objective: Objective = Objective()


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
        if (
            self._plan[0] != number
        ):  # one pass is planned at a time: the plan is as long as the text
            self._plan = number, self.pile.plan(self.spans, self.batch_tokens, self.seed, number)
        return self.pile.batch(self._plan[1][place], numbers(self.seed, "masks", step))


class Heldout:
    """Held-out windows in batches whose masks never change, so that losses can be compared."""

    def __init__(self, pile: Source, spans: np.ndarray, batch_tokens: int, seed: int) -> None:
        self.batches = list(_fixed(pile, spans, batch_tokens, seed))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]


def _fixed(pile: Source, spans: np.ndarray, batch_tokens: int, seed: int) -> Iterator[Batch]:
    for number, rows in enumerate(pile.plan(spans, batch_tokens, seed, 0)):
        yield pile.batch(rows, numbers(seed, "heldout masks", number))


def loaders(train: Stream, heldout: Heldout, device: torch.device) -> DataLoaders:
    """fastai loaders of batches that are made already."""
    return DataLoaders(
        prebatched(train, train.order),
        prebatched(heldout, lambda: range(len(heldout))),
        device=device,
    )


def prebatched(batches: Ready, order: Callable[[], Sequence[int]]) -> DataLoader:
    """A fastai loader of batches that are made already, in the order that it asks for each time."""
    # Without `bs`, and with functions that change nothing, fastai does not collate again.
    return DataLoader(
        batches,
        bs=None,
        get_idxs=order,
        create_batch=lambda batch: batch,
        retain=lambda batch, _: batch,
    )
