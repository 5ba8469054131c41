"""How is a long text read whole? In windows of equal length, at even distances."""

from dataclasses import dataclass

import numpy as np

from steep.data.corpus import Corpus
from steep.errors import SteepError

SLIDING = "sliding-"


@dataclass(frozen=True)
class Sliding:
    """At most `most` windows of a text; one begins at most `stride` tokens after the one before.

    A text that they do not cover is read at `most` places at even distances, from its head to its
    tail; what lies between them is lost. Without a `stride` windows overlap only as the text's
    length makes them.
    """

    most: int = 8
    stride: int | None = None

    def counts(self, lengths: np.ndarray, room: int) -> np.ndarray:
        """How many windows of `room` tokens texts of these lengths (n,) have, int64 (n,)."""
        stride = self.stride or room
        if stride > room:
            raise SteepError(
                f"stride {stride}: a window holds {room} tokens of text, so that those between two "
                f"windows would be lost. Choose at most {room}."
            )
        beyond = np.maximum(lengths - room, 0)
        return np.minimum(1 - (-beyond // stride), self.most).astype(np.int64)

    def starts(self, length: int, room: int) -> np.ndarray:
        """Where the windows of one text begin, int64 (windows,)."""
        count = int(self.counts(np.array([length]), room)[0])
        return np.linspace(0, max(length - room, 0), count).round().astype(np.int64)

    def lost(self, lengths: np.ndarray, room: int) -> np.ndarray:
        """How many tokens of each text no window holds, int64 (n,)."""
        return np.maximum(lengths - room * self.counts(lengths, room), 0)


def check(truncation: str, corpus: Corpus) -> None:
    """Raises SteepError if windows cannot slide over this corpus."""
    if truncation.startswith(SLIDING) and corpus.has_pairs:
        raise SteepError(
            f"truncation {truncation}: windows slide over single texts, not over pairs. Choose "
            "head, tail or head+tail."
        )
