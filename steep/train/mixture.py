"""How do several data sets reach one encoder? Batches of one set each, in an order drawn by chance.

Sun et al. 2019, section 5.5: all tasks share the encoder, each has a head of its own.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from fastai.data.core import DataLoaders
from torch import Tensor

from steep.args.multitask import Sampling
from steep.data.batches import by_length, shuffled
from steep.seeds import derive, numbers
from steep.train.rows import ShownRows
from steep.train.windows import Batch, prebatched


class Mixture:
    """Epochs of as many batches as it takes to see every row of all sets once.

    Each batch is of a set drawn by its size, or by the root of that, and brings the next rows of
    that set, which runs through passes of its own. The draw depends on the seed and the epoch
    alone, so a run can go on from any batch: `start` is the first of this epoch.
    """

    n_inp = 2

    def __init__(
        self, sets: Mapping[str, ShownRows], batch_size: int, sampling: Sampling, seed: int
    ) -> None:
        self.sets, self.batch_size, self.seed = dict(sets), batch_size, seed
        self.epoch, self.start = 0, 0
        self.per_pass = [-(-len(rows) // batch_size) for rows in self.sets.values()]
        sizes = np.array([len(rows) for rows in self.sets.values()], float)
        weights = sizes if sampling == "size" else np.sqrt(sizes)
        self.shares = weights / weights.sum()
        self._turns: dict[int, list[tuple[int, int]]] = {}
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return sum(self.per_pass)

    def order(self) -> range:
        """The batches of this epoch that are to come."""
        return range(self.start, len(self))

    def __getitem__(self, index: int) -> Batch:
        which, number = self.turns()[index]
        turn, place = divmod(number, self.per_pass[which])
        first = place * self.batch_size
        rows = self._order(which, turn)[first : first + self.batch_size]
        return of_one(list(self.sets.values())[which], rows, which)

    def turns(self) -> list[tuple[int, int]]:
        """Of each batch of this epoch, its set and which of that set's batches it is, from 0."""
        if self.epoch not in self._turns:
            drawn = np.concatenate([self._drawn(epoch) for epoch in range(self.epoch + 1)])
            number = np.zeros(len(drawn), int)
            for which in range(len(self.sets)):
                mine = np.flatnonzero(drawn == which)
                number[mine] = np.arange(len(mine))
            pairs = list(zip(drawn.tolist(), number.tolist(), strict=True))
            self._turns = {self.epoch: pairs[-len(self) :]}
        return self._turns[self.epoch]

    def _drawn(self, epoch: int) -> np.ndarray:
        random = numbers(self.seed, "tasks", epoch)
        return random.choice(len(self.shares), len(self), p=self.shares)

    def _order(self, which: int, turn: int) -> np.ndarray:
        """The rows of a set in its pass number `turn`; the last one is remembered."""
        name, rows = list(self.sets.items())[which]
        if self._orders.get(which, (-1,))[0] != turn:
            seed = derive(self.seed, "task", name)
            self._orders[which] = turn, shuffled(rows.lengths, self.batch_size, seed, turn)
        return self._orders[which][1]


class Validation:
    """The validation rows of every set, in batches of one set each that are always the same."""

    def __init__(self, sets: Mapping[str, ShownRows], batch_size: int) -> None:
        self.batches = list(_fixed(sets, batch_size))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return of_one(*self.batches[index])


def _fixed(
    sets: Mapping[str, ShownRows], batch_size: int
) -> Iterator[tuple[ShownRows, np.ndarray, int]]:
    for which, rows in enumerate(sets.values()):
        order = by_length(rows.lengths)
        for members in np.split(order, range(batch_size, len(order), batch_size)):
            yield rows, members, which


def of_one(rows: ShownRows, members: np.ndarray, which: int) -> Batch:
    """Some rows of set `which`: inputs (rows, 2 or 3, length), `which`, labels, `which`."""
    inputs, labels = rows.batch([rows[i] for i in members])
    number: Tensor = torch.tensor(which)
    return inputs, number, labels, number


def loaders(train: Mixture, valid: Validation, device: torch.device) -> DataLoaders:
    """fastai loaders of both."""
    return DataLoaders(
        prebatched(train, train.order), prebatched(valid, lambda: range(len(valid))), device=device
    )
