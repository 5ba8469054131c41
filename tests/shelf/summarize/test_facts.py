"""Are a sentence's length, place and centrality what they say, whatever surrounds its document?"""

import tracemalloc

import numpy as np
import pytest

from steep.data.tokens import Tokens
from steep.shelf.summarize.facts import FACTS, facts_of, textrank

DOCUMENT = [[1, 2], [1, 3, 4], [3, 5, 6, 7], [8]]


def found(*documents: list[list[int]]) -> np.ndarray:
    sentences = [sentence for document in documents for sentence in document]
    ids = np.array([token for sentence in sentences for token in sentence], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in sentences])]).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum([len(one) for one in documents])]).astype(np.int64)
    return facts_of(Tokens(ids, offsets), ends)


def test_textrank_finds_the_centre() -> None:
    ranks = textrank([["a", "b"], ["a", "c"], ["c", "d"], ["x"]])
    assert ranks.argmax() == 1
    assert ranks.argmin() == 3
    assert ranks.sum() == pytest.approx(1)
    assert textrank([[], []]).tolist() == [0, 0]
    assert textrank([["a"]]).tolist() == [1]


def test_textrank_of_a_book_needs_no_matrix_of_all_pairs() -> None:
    draw = np.random.default_rng(0)
    words = [draw.integers(0, 5000, 10).tolist() for _ in range(5000)]
    tracemalloc.start()
    ranks = textrank(words)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ranks.sum() == pytest.approx(1)
    assert peak < 5000 * 5000 * 8 / 4


def test_each_fact_has_its_order() -> None:
    facts = found(DOCUMENT)
    assert facts.shape == (4, FACTS)
    length, place, early, central = facts.T
    assert length.argsort().tolist() == [3, 0, 1, 2]
    assert place.tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])
    assert (np.diff(early) > 0).all()
    assert central.argmax() == 1
    assert central.argmin() == 3


def test_documents_do_not_know_each_other() -> None:
    alone, beside = found(DOCUMENT), found([[3, 3], [9]], DOCUMENT, [[5]])
    assert np.array_equal(alone, beside[2:6])


def test_odd_documents_have_finite_facts() -> None:
    assert np.isfinite(found([[7]], [[], []], [[], [5]])).all()
    assert found().shape == (0, FACTS)
