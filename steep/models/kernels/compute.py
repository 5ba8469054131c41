"""In which dtype do the layers of a model compute, and where do their dropout bits come from?"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from steep import seeds


@dataclass(frozen=True)
class Reading:
    """Which outputs of the last layer are read: int64 `positions` (m,) in a batch of `shape`.

    `shape` is (rows, length); positions are counted in the flattened batch. Rows differ in how many
    of their positions are read, so the queries of these move to the front of their rows, where
    `most` columns hold them all. `slots` (m,) is where they then are, also in the flattened batch.
    """

    positions: Tensor
    slots: Tensor
    shape: torch.Size
    most: int

    def of_queries(self, mask: Tensor) -> Tensor:
        """Of a mask (rows, heads or 1, length, length), the `most` queries in their new order."""
        queries = torch.zeros(self.shape.numel(), dtype=torch.long)
        queries[self.slots] = self.positions % self.shape[1]
        which = queries.view(-1, 1, self.shape[1], 1)[:, :, : self.most]
        return mask.gather(2, which.expand(-1, mask.shape[1], -1, mask.shape[3]))


@dataclass
class Compute:
    """What all fast layers of one model share.

    Every draw of dropout bits has a number, and its bits follow from (seed, number) alone. So they
    do not depend on the number of threads, and a backward pass can draw them again instead of
    saving them. To resume a run exactly, `drawn` is saved and restored. `reading` is None while all
    outputs of the last layer are read.
    """

    seed: int
    dtype: torch.dtype
    drawn: int = 0
    reading: Reading | None = None

    def next_draw(self) -> int:
        """The number of a new draw."""
        self.drawn += 1
        return self.drawn

    def bits(self, draw: int) -> "Bits":
        """The random bits of draw number `draw`."""
        return Bits(seeds.derive(self.seed, "dropout", draw))


class Bits:
    """A stream of random bytes, drawn in bulk as 64-bit integers (SFC64, O'Neill 2018)."""

    def __init__(self, seed: int) -> None:
        self._source = np.random.SFC64(seed)

    def keep(self, shape: torch.Size, rate: float, dtype: torch.dtype) -> Tensor:
        """A mask of `shape`: 0 with probability `dropped_share(rate)`, else 1."""
        count = shape.numel()
        # One byte decides about one element. That takes an eighth of the 64-bit integers that one
        # each would, and rounds the rate to a multiple of 1/256.
        words = self._source.random_raw((count + 7) // 8)
        drawn = torch.from_numpy(words.view(np.uint8))[:count].view(shape)
        return drawn.ge_(_threshold(rate)).to(dtype)


def compute_of(model: nn.Module) -> Compute | None:
    """What the fast layers inside `model` share; None if it has none."""
    held = (vars(module).get("steep_compute") for module in model.modules())
    return next((compute for compute in held if compute is not None), None)


def dropped_share(rate: float) -> float:
    """The probability with which `Bits.keep` drops: `rate` rounded to 1/256."""
    return _threshold(rate) / 256


def rescaling(rate: float) -> float:
    """What survives dropout is multiplied by this, so that the expected value stays the same."""
    return 1 / (1 - dropped_share(rate))


def _threshold(rate: float) -> int:
    """Bytes below this drop their element. It has to fit into a byte itself."""
    return min(round(256 * rate), 255)
