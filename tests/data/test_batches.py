"""Is every text in exactly one batch, in few shapes, in an order that can be drawn again?"""

import numpy as np
import pytest

from steep.data.batches import (
    BUCKETS,
    bucket,
    by_length,
    by_tokens,
    inner_edges,
    packed,
    pad,
    padded_length,
    separators,
    shuffled,
)


@pytest.fixture
def lengths() -> np.ndarray:
    return np.random.default_rng(0).integers(3, 300, 1003)


def test_padded_lengths_are_the_smallest_of_the_fixed_set_that_fit() -> None:
    allowed = [*range(2, 49, 2), *range(52, 129, 4), *range(144, 513, 16), *range(640, 2000, 128)]
    for longest in range(1, 1500):
        assert padded_length(longest) == min(n for n in allowed if n >= longest)


def test_buckets_are_padded_lengths_themselves() -> None:
    allowed = [*BUCKETS, *range(640, 2000, 128)]
    for longest in range(1, 1500):
        assert bucket(longest) == min(n for n in allowed if n >= longest)
        assert padded_length(bucket(longest)) == bucket(longest)


@pytest.mark.parametrize("batch_size", [1, 8, 32, 5000])
def test_every_row_is_in_the_order_once(lengths: np.ndarray, batch_size: int) -> None:
    assert sorted(shuffled(lengths, batch_size, 0, 0)) == list(range(len(lengths)))


def test_the_order_follows_from_seed_and_epoch_alone(lengths: np.ndarray) -> None:
    first = shuffled(lengths, 8, seed=1, epoch=2)
    np.random.seed(5)
    shuffled(lengths, 8, seed=0, epoch=0)
    assert (shuffled(lengths, 8, seed=1, epoch=2) == first).all()
    assert (shuffled(lengths, 8, seed=2, epoch=2) != first).any()
    assert (shuffled(lengths, 8, seed=1, epoch=3) != first).any()


def test_the_rows_of_a_batch_are_of_similar_length(lengths: np.ndarray) -> None:
    full = shuffled(lengths, 8, 0, 0)[:1000].reshape(-1, 8)
    spread = np.ptp(lengths[full], axis=1)
    # The few batches that join two pools may mix long and short.
    assert np.median(spread) < 10
    longest = lengths[full].max(1)
    assert np.abs(np.diff(longest)).mean() > 50, "batches must not come sorted by length"


def test_the_order_for_prediction_starts_with_the_longest(lengths: np.ndarray) -> None:
    order = by_length(lengths)
    assert sorted(order) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()


def test_batches_by_tokens_hold_every_text_once_in_fixed_shapes(lengths: np.ndarray) -> None:
    batches = by_tokens(lengths, 2048, 0, 0)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    shapes: dict[int, list[int]] = {}
    for batch in batches:
        padded = {bucket(length) for length in lengths[batch]}
        assert len(padded) == 1, "one bucket a batch"
        shapes.setdefault(padded.pop(), []).append(len(batch))
    for length, rows in shapes.items():
        whole = 2048 // length
        assert sum(count != whole for count in rows) <= 1
        assert max(rows) <= whole


def test_batches_of_one_bucket_hold_texts_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(97, 129, 6400)  # one bucket: 128
    batches = by_tokens(lengths, 4096, 0, 0)
    computed = sum(padded_length(lengths[batch].max()) * len(batch) for batch in batches)
    assert computed < 1.03 * lengths.sum()


def test_a_text_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    batches = by_tokens(np.array([300, 10, 300]), 128, 0, 0)
    assert sorted(batch.tolist() for batch in batches) == [[0], [1], [2]]


def test_batches_by_tokens_follow_from_seed_and_epoch_alone(lengths: np.ndarray) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(by_tokens(lengths, 1024, seed, epoch)).tolist()

    first = order(1, 2)
    assert order(1, 2) == first
    assert order(1, 3) != first
    assert order(2, 2) != first


def test_rows_are_filled_up_at_the_end() -> None:
    batch = pad([np.array([1, 2]), np.array([3, 4, 5])], 9, 4)
    assert batch.tolist() == [[1, 2, 9, 9], [3, 4, 5, 9]]
    assert batch.dtype == np.int64


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
