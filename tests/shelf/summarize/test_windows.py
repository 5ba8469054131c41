"""Is every sentence in a window, whole, and scored once, where it lies most central?"""

import random

import numpy as np
import pytest

from steep.data.inputs import Frame
from steep.data.tokens import Tokens
from steep.shelf.summarize.windows import Layout, Windows, owners

BERT = Frame(before=(1,), between=(2,), after=(2,), types=(0, 1), pad=0)


def windows_of(documents: list[list[int]], first: bool, most: int = 24) -> Windows:
    """Documents as the token counts of their sentences; tokens count up from 10."""
    lengths = [length for document in documents for length in document]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum([len(document) for document in documents])])
    layout = Layout(BERT, first, True, most, 0.25)
    return Windows(Tokens(np.arange(10, 10 + offsets[-1]), offsets), ends.astype(np.int64), layout)


@pytest.mark.parametrize("first", [True, False])
def test_windows_cover_documents_and_fit(first: bool) -> None:
    draw = random.Random(0)
    documents = [[draw.randint(0, 30) for _ in range(draw.randint(1, 12))] for _ in range(60)]
    windows = windows_of(documents, first)
    assert windows.lengths.max() <= 24
    for start, end in zip(windows.documents[:-1], windows.documents[1:], strict=True):
        own = windows.spans[(windows.spans[:, 0] >= start) & (windows.spans[:, 0] < end)]
        assert own[0, 0] == start
        assert own[-1, 1] == end
        assert (own[1:, 0] <= own[:-1, 1]).all(), "no sentence is left out"
        assert (np.diff(own[:, 1]) > 0).all(), "each window has a new sentence"
    for number, (a, b) in enumerate(windows.spans):
        assert (windows.owner[a:b] == number).any() or b - a > 1
    every = np.arange(len(windows.spans))
    numbers, scored = windows.sentences(every)
    assert sorted(numbers[scored]) == list(range(len(windows.tokens)))


def test_a_sentence_is_scored_where_it_is_farthest_from_a_cut() -> None:
    spans = np.array([[0, 6], [3, 9]])
    assert owners(spans, np.full(9, 5)).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert owners(np.array([[0, 9]]), np.full(9, 5)).tolist() == [0] * 9


def test_scores_go_back_to_their_sentences() -> None:
    windows = windows_of([[5] * 9, [4, 4]], first=True)
    scores, every = np.zeros(11), np.arange(len(windows.spans))[::-1]
    numbers, _ = windows.sentences(every)
    windows.put(scores, every, numbers + 1.0)
    assert scores.tolist() == list(range(1, 12))


def test_a_cls_stands_before_each_sentence_and_segments_alternate() -> None:
    windows = windows_of([[2, 3, 1]], first=True)
    laid = windows.laid(np.array([0]))
    ids, mask, segments = laid.inputs[0]
    assert ids[: mask.sum()].tolist() == [1, 10, 11, 2, 1, 12, 13, 14, 2, 1, 15, 2]
    assert segments[: mask.sum()].tolist() == [0] * 4 + [1] * 5 + [0] * 3
    assert np.flatnonzero(laid.whose[0] >= 0).tolist() == [0, 4, 9]
    assert laid.whose[0][[0, 4, 9]].tolist() == [0, 1, 2]


def test_a_mean_is_of_the_tokens_of_its_sentence_without_others_between() -> None:
    windows = windows_of([[2, 3], [1]], first=False)
    laid = windows.laid(np.array([0, 1]))
    ids, mask, _ = laid.inputs[0]
    assert ids[: mask.sum()].tolist() == [1, 10, 11, 12, 13, 14, 2]
    assert laid.whose[0][: mask.sum()].tolist() == [-1, 0, 0, 1, 1, 1, -1]
    assert laid.whose[1][:3].tolist() == [-1, 2, -1]
    assert (laid.whose[laid.inputs[:, 1] == 0] == -1).all(), "padding is of no sentence"


def test_a_sentence_longer_than_a_window_is_cut_and_told() -> None:
    windows = windows_of([[30, 2]], first=True)
    assert windows.spans.tolist() == [[0, 1], [1, 2]]
    assert windows.laid(np.array([0])).inputs.shape[2] == 24
    assert "1 sentences are longer than a window" in windows.notes()[1]
