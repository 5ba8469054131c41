"""Are the neighbours those that a search over everything at once finds?"""

import datasets
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from steep.data.corpus import Corpus
from steep.shelf.select import neighbours
from steep.shelf.select.neighbours import find_neighbours, tfidf_vectors

RANDOM = np.random.default_rng(0)
WORDS = np.array([f"word{i}" for i in range(40)])


def corpus(texts: list[str]) -> Corpus:
    table = datasets.Dataset.from_dict({"row": range(len(texts)), "text": texts})
    return Corpus(table, "memory")


def texts(count: int) -> list[str]:
    return [" ".join(RANDOM.choice(WORDS, RANDOM.integers(3, 9))) for _ in range(count)]


def test_chunk_by_chunk_is_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, pile = texts(7), texts(95)
    monkeypatch.setattr(neighbours, "CHUNK", 10)
    vectors = tfidf_vectors(corpus(queries), corpus(pile), seed=0)
    *_, found = find_neighbours(corpus(queries), corpus(pile), 12, vectors)
    plain = TfidfVectorizer(sublinear_tf=True).fit([*queries, *pile])
    similar = (plain.transform(queries) @ plain.transform(pile).T).toarray()
    best = -np.sort(-similar, axis=1)[:, :12]
    np.testing.assert_allclose(found.similarity, best, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(similar, found.positions, 1), best, atol=1e-5)
    assert found.selected.tolist() == sorted({*found.positions.ravel().tolist()})
    assert all(len(set(row)) == 12 for row in found.positions.tolist())


def test_a_pile_smaller_than_what_is_asked_for_is_taken_whole() -> None:
    queries, pile = corpus(texts(3)), corpus(texts(5))
    *_, found = find_neighbours(queries, pile, 50, tfidf_vectors(queries, pile, seed=0))
    assert found.selected.tolist() == [0, 1, 2, 3, 4]
