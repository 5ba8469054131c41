"""Are runs, segments and pairs made as they should, and are labels drawn by chance alone?"""

import numpy as np
import pytest

from steep.shelf.sentence_pairs.sentence_runs import (
    FALSE,
    balanced_labels,
    cut_runs,
    cut_segments,
    next_pairs,
    ordered_pairs,
)

ROOM = 20


@pytest.fixture(scope="module")
def text() -> tuple[np.ndarray, np.ndarray]:
    """Offsets of sentences and documents: 300 documents of 0 to 12 sentences."""
    draw = np.random.default_rng(0)
    counts = draw.integers(0, 13, 300)
    lengths = draw.integers(1, 15, counts.sum())
    return np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([[0], np.cumsum(counts)])


def test_runs_are_the_documents_in_order(text: tuple[np.ndarray, np.ndarray]) -> None:
    offsets, documents = text
    found = cut_runs(offsets, documents, ROOM)
    for first, stop in zip(documents, documents[1:], strict=False):
        own = found[(found[:, 0] >= first) & (found[:, 0] < stop)]
        if stop > first:
            assert [own[0, 0], own[-1, 1]] == [first, stop]
            assert (own[1:, 0] == own[:-1, 1]).all()


def test_a_run_fits_the_room_or_has_few_sentences(text: tuple[np.ndarray, np.ndarray]) -> None:
    offsets, documents = text
    found = cut_runs(offsets, documents, ROOM)
    sentences = np.diff(found)[:, 0]
    tokens = offsets[found[:, 1]] - offsets[found[:, 0]]
    assert ((tokens <= ROOM) | (sentences <= 3)).all()
    of_one = np.diff(documents) == 1
    assert set(found[sentences == 1, 0]) == set(documents[:-1][of_one])
    full = offsets[np.minimum(found[:, 1] + 2, len(offsets) - 1)] - offsets[found[:, 0]]
    inside = ~np.isin(found[:, 1], documents)
    assert (full[inside] > ROOM).all(), "and is as long as can be"


def test_one_document_or_none() -> None:
    assert cut_runs(np.array([0, 9, 18]), np.array([0, 2]), ROOM).tolist() == [[0, 2]]
    assert cut_runs(np.array([0, 90, 180]), np.array([0, 2]), ROOM).tolist() == [[0, 2]]
    assert cut_runs(np.array([0, 9]), np.array([0, 0, 1, 1]), ROOM).tolist() == [[0, 1]]
    assert cut_runs(np.array([0]), np.array([0]), ROOM).shape == (0, 2)


def pairs(text: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, and the document of each."""
    offsets, documents = text
    found = cut_runs(offsets, documents, ROOM)
    found = found[np.diff(found)[:, 0] > 1]
    owner = np.searchsorted(documents, found[:, 0], "right") - 1
    return cut_segments(offsets, found, ROOM), owner


def test_segments_meet_between_sentences_and_fit_any_partner(
    text: tuple[np.ndarray, np.ndarray],
) -> None:
    offsets, _ = text
    made, owner = pairs(text)
    assert len(made) > 300
    assert (made[:, 1] == made[:, 2]).all()
    assert np.isin(made[:, 1], offsets).all()
    lengths = made[:, [1, 3]] - made[:, [0, 2]]
    assert lengths.min() > 0
    assert lengths.max() <= ROOM // 2, "so no pair, of any two, is ever cut for being a pair"
    assert (np.diff(owner) >= 0).all()


def test_the_border_is_the_sentence_end_nearest_the_middle() -> None:
    offsets = np.array([0, 4, 6, 16, 18])
    assert cut_segments(offsets, np.array([[0, 4]]), 40).tolist() == [[0, 6, 6, 18]]
    assert cut_segments(offsets, np.array([[2, 4]]), 40).tolist() == [[6, 16, 16, 18]]
    assert cut_segments(offsets, np.array([[0, 4]]), 10).tolist() == [[1, 6, 6, 11]]


def test_random_partners_are_of_other_documents_and_true_ones_stay(
    text: tuple[np.ndarray, np.ndarray],
) -> None:
    made, owner = pairs(text)
    home = dict(zip(made[:, 2], owner, strict=True))
    for seed in range(30):
        rows, labels = next_pairs(made, owner, np.random.default_rng(seed))
        assert abs(int(labels.sum()) * 2 - len(made)) <= 1
        assert (rows[:, :2] == made[:, :2]).all()
        assert (rows[labels != FALSE] == made[labels != FALSE]).all()
        partner = np.array([home[begin] for begin in rows[:, 2]])
        assert (partner[labels == FALSE] != owner[labels == FALSE]).all()


def test_every_other_document_lends_as_often() -> None:
    owner = np.array([0, 0, 0, 1, 2, 2])
    made = np.arange(24).reshape(6, 4)
    lent = np.zeros((6, 6))
    for seed in range(4000):
        rows, labels = next_pairs(made, owner, np.random.default_rng(seed))
        lent[labels == FALSE, (rows[labels == FALSE, 2] - 2) // 4] += 1
    other = owner[:, None] != owner
    assert (lent[~other] == 0).all()
    for row, allowed in zip(lent, other, strict=True):
        assert row[allowed].min() > 0.85 * row.sum() / allowed.sum()


def test_the_label_does_not_show_in_the_lengths(text: tuple[np.ndarray, np.ndarray]) -> None:
    made, owner = pairs(text)
    means = np.zeros((2, 2))
    for seed in range(60):
        rows, labels = next_pairs(made, owner, np.random.default_rng(seed))
        lengths = rows[:, [1, 3]] - rows[:, [0, 2]]
        means += [lengths[labels == label].mean(0) / 60 for label in (0, 1)]
    assert np.abs(means[0] - means[1]).max() < 0.1


def test_swapped_pairs_are_the_same_segments(text: tuple[np.ndarray, np.ndarray]) -> None:
    made, _ = pairs(text)
    rows, labels = ordered_pairs(made, np.random.default_rng(0))
    assert (rows[labels != FALSE] == made[labels != FALSE]).all()
    assert (rows[labels == FALSE] == made[labels == FALSE][:, [2, 3, 0, 1]]).all()
    assert abs(int(labels.sum()) * 2 - len(made)) <= 1


def test_labels_are_balanced_and_an_odd_one_is_either() -> None:
    draws = [int(balanced_labels(7, np.random.default_rng(seed)).sum()) for seed in range(40)]
    assert set(draws) == {3, 4}
    assert all(balanced_labels(8, np.random.default_rng(seed)).sum() == 4 for seed in range(5))
    places = np.mean([balanced_labels(8, np.random.default_rng(seed)) for seed in range(2000)], 0)
    assert np.abs(places - 0.5).max() < 0.05
