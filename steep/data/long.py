"""How is a long text read whole? In windows of equal length, at even distances."""

from dataclasses import dataclass

import numpy as np

from steep.data.corpus import Corpus
from steep.errors import SteepError

SLIDING = "sliding-"


@dataclass(frozen=True)
class Sliding:
    """At most `most` windows of a text, at even distances from its head to its tail.

    They overlap only as the text's length makes them; of a text that is longer than all of them
    together, what lies between two windows is lost.
    """

    most: int = 8

    def counts(self, lengths: np.ndarray, room: int) -> np.ndarray:
        """How many windows of `room` tokens texts of these lengths (n,) have, int64 (n,)."""
        beyond = np.maximum(lengths - room, 0)
        return np.minimum(1 - (-beyond // room), self.most).astype(np.int64)

    def starts(self, length: int, room: int) -> np.ndarray:
        """Where the windows of one text begin, int64 (windows,)."""
        count = int(self.counts(np.array([length]), room)[0])
        return np.linspace(0, max(length - room, 0), count).round().astype(np.int64)

    def lost(self, lengths: np.ndarray, room: int) -> np.ndarray:
        """How many tokens of each text no window holds, int64 (n,)."""
        return np.maximum(lengths - room * self.counts(lengths, room), 0)


def check_sliding(truncation: str, corpus: Corpus) -> None:
    """Raises SteepError if windows cannot slide over this corpus."""
    if truncation.startswith(SLIDING) and corpus.has_pairs:
        raise SteepError(
            f"truncation {truncation}: windows slide over single texts, not over pairs. Choose "
            "head, tail or head+tail."
        )
