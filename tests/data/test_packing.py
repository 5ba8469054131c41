"""Are short documents joined whole, in their order, with a separator's room between them?"""

import numpy as np
import pytest

from steep.data.batches import inner_edges, packed, separators


def slow(spans: list[tuple[int, int]], room: int, separator: int) -> list[tuple[int, int]]:
    """One after the other: joined where it fits and lies end to end."""
    found: list[tuple[int, int]] = []
    used = 0
    for begin, end in spans:
        size = end - begin
        if found and found[-1][1] == begin and used + separator + size <= room:
            found[-1], used = (found[-1][0], end), used + separator + size
        else:
            found.append((begin, end))
            used = size
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_joins_what_a_plain_loop_joins(seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = np.concatenate([[0], random.integers(1, 30, 300).cumsum()])
    spans = np.stack([edges[:-1], edges[1:]], axis=1)
    spans = spans[random.random(300) > 0.1]  # some are held out
    for separator in (1, 2):
        found = packed(spans, 40, separator)
        assert [tuple(s) for s in found.tolist()] == slow(spans.tolist(), 40, separator)
        counts = separators(edges, found)
        assert ((found[:, 1] - found[:, 0]) + separator * counts).max() <= 40
        assert [len(inner_edges(edges, a, b)) for a, b in found] == counts.tolist()
        assert counts.sum() > 100


def test_a_single_long_window_stays_and_nothing_comes_of_nothing() -> None:
    assert packed(np.array([[0, 90]]), 40, 1).tolist() == [[0, 90]]
    assert packed(np.zeros((0, 2), np.int64), 40, 1).shape == (0, 2)
