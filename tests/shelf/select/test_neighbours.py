"""Are the neighbours those that a search over everything at once finds?"""

import random

import datasets
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from steep.data.corpus import Corpus
from steep.data.words import words_in
from steep.errors import SteepError
from steep.shelf.select import neighbours
from steep.shelf.select.neighbours import compared_terms, find_neighbours, tfidf_vectors
from tests.conftest import UNSPACED, unspaced_text, written

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


@pytest.mark.parametrize("language", UNSPACED)
def test_the_nearest_text_is_found_where_no_blanks_part_words(language: str) -> None:
    draw = random.Random(0)
    pile = [unspaced_text(language, 40, draw) for _ in range(40)]
    parts = [written(words_in(text)[10:30]) for text in pile[:15]]
    queries, texts = corpus(parts), corpus(pile)
    *_, nearest = find_neighbours(queries, texts, 1, tfidf_vectors(queries, texts, seed=0))
    assert nearest.positions[:, 0].tolist() == list(range(15))
    assert (nearest.similarity > 0.5).all()


def test_terms_of_latin_text_are_those_of_scikit_learn() -> None:
    text = "The film's ÜBER-ending, a v2_b in 3 of 10: Straße!"
    assert compared_terms(text) == TfidfVectorizer().build_analyzer()(text)
    assert compared_terms("第3章 Ab") == ["第", "章", "ab"]
    assert compared_terms("很好看") == ["很", "好", "看", "很好", "好看"]


def test_texts_without_words_are_refused() -> None:
    signs = corpus(["😀 !", "a b"])
    with pytest.raises(SteepError, match="no text holds a word of two letters"):
        tfidf_vectors(signs, signs, seed=0)
