"""How does unlabelled text reach the masked language model? Windows, masks and batches of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from torch import Tensor

from steep.data.batches import by_tokens, pad, padded_length
from steep.data.tokens import Frame, Tokens, windows
from steep.objectives.masking import Vocabulary, mask_tokens
from steep.seeds import numbers

Batch = tuple[Tensor, Tensor, Tensor]
ROUND = 64  # the number of masked positions is filled up to a multiple of this: few shapes
IGNORED = -100  # label of such a filling position, as torch's cross entropy has it


@dataclass(frozen=True)
class Pile:
    """Text as windows of at most `max_length` tokens, special tokens included."""

    tokens: Tokens
    frame: Frame
    words: Vocabulary
    max_length: int
    mask_share: float

    def spans(self) -> np.ndarray:
        """Begin and end of every window in the tokens, int64 (windows, 2).

        Windows of unknown tokens alone are left out: a batch of them would have nothing to predict,
        and its mean loss would not be a number.
        """
        found = windows(self.tokens, self.frame.room(self.max_length))
        known = ~self.words.special[self.tokens.ids]
        return found[np.logical_or.reduceat(known, found[:, 0])] if len(found) else found

    def batch(self, spans: np.ndarray, random: np.random.Generator) -> Batch:
        """The windows of `spans` (rows, 2), masked.

        Returns ids and attention mask, int64 (rows, 2, length); the masked positions in the
        flattened (rows * length), int64 (m,); and the tokens that stood there, int64 (m,).
        """
        before, after = self.frame.before, self.frame.after
        inputs = [np.concatenate([before, self.tokens.ids[a:b], after]) for a, b in spans]
        length = padded_length(max(map(len, inputs)))
        ids = pad(inputs, self.frame.pad, length)
        attention = pad([np.ones(len(row)) for row in inputs], 0, length)
        real = np.flatnonzero(attention)
        truth = ids.ravel()[real]
        hidden, chosen = mask_tokens(truth, self.mask_share, self.words, random)
        ids.ravel()[real] = hidden
        fill = -len(chosen) % ROUND
        positions = np.concatenate([real[chosen], np.zeros(fill, np.int64)])
        labels = np.concatenate([truth[chosen], np.full(fill, IGNORED)])
        inputs_and_mask = torch.from_numpy(np.stack([ids, attention], axis=1))
        return inputs_and_mask, torch.from_numpy(positions), torch.from_numpy(labels)


class Stream:
    """`rounds` rounds of `length` batches each, running through passes over the spans.

    Batch `i` of a round depends on the seed and its number in the stream alone: masks are drawn
    anew in every pass, and a run can go on from any batch.
    """

    n_inp = 2

    def __init__(
        self, pile: Pile, spans: np.ndarray, batch_tokens: int, length: int, seed: int
    ) -> None:
        self.pile, self.spans, self.batch_tokens = pile, spans, batch_tokens
        self.length, self.seed, self.epoch = length, seed, 0
        self.widths = spans[:, 1] - spans[:, 0] + pile.max_length - pile.frame.room(pile.max_length)
        self.per_pass = len(by_tokens(self.widths, batch_tokens, seed, 0))
        self._plan: tuple[int, list[np.ndarray]] = (-1, [])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Batch:
        step = self.epoch * self.length + index
        number, place = divmod(step, self.per_pass)
        if self._plan[0] != number:
            self._plan = number, by_tokens(self.widths, self.batch_tokens, self.seed, number)
        return self.pile.batch(self.spans[self._plan[1][place]], numbers(self.seed, "masks", step))


class Heldout:
    """Held-out windows in batches whose masks never change, so that losses can be compared."""

    def __init__(self, pile: Pile, spans: np.ndarray, batch_tokens: int, seed: int) -> None:
        self.batches = list(_fixed(pile, spans, batch_tokens, seed))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]


def _fixed(pile: Pile, spans: np.ndarray, batch_tokens: int, seed: int) -> Iterator[Batch]:
    widths = spans[:, 1] - spans[:, 0] + pile.max_length - pile.frame.room(pile.max_length)
    for number, members in enumerate(by_tokens(widths, batch_tokens, seed, 0)):
        yield pile.batch(spans[members], numbers(seed, "heldout masks", number))


def loaders(train: Stream, heldout: Heldout, device: torch.device) -> DataLoaders:
    """fastai loaders of batches that are made already."""
    return DataLoaders(_prebatched(train), _prebatched(heldout), device=device)


def _prebatched(batches: Stream | Heldout) -> DataLoader:
    return DataLoader(
        batches, bs=None, create_batch=lambda batch: batch, retain=lambda batch, _: batch
    )
