"""Which texts of a pile are nearest to each text of a task? Chunk by chunk, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from steep.data.corpus import Corpus
from steep.data.words import has_unspaced, is_unspaced, words_in
from steep.errors import SteepError
from steep.seeds import numbers

CHUNK = 5000  # texts of the pile that are compared at once
FITTED_ON = 50_000  # texts of the pile that the TF-IDF weights are fitted on, at most
VOCABULARY = 100_000  # the most frequent words are compared

Vectors = Callable[[Corpus], Any]  # texts -> dense or sparse (n, size)


@dataclass(frozen=True)
class Neighbours:
    """For each query its neighbours, best first: positions in the pile, and cosine similarities.

    Both (queries, k): int64 and float64.
    """

    positions: np.ndarray
    similarity: np.ndarray

    @property
    def selected(self) -> np.ndarray:
        """Every position that is a neighbour of some query, once, ascending."""
        return np.unique(self.positions)


def find_neighbours(
    queries: Corpus, pile: Corpus, k: int, vectors: Vectors
) -> Iterator[Neighbours]:
    """The `k` texts of the pile nearest to each query (cosine), as known after each chunk of it.

    The last item is the answer. Gururangan et al. 2020, section 5.2 (kNN-TAPT), do the same with
    the features of a variational autoencoder.
    """
    asked = vectors(queries)
    k = min(k, len(pile))
    positions = np.zeros((len(queries), 0), np.int64)
    similarity = np.zeros((len(queries), 0))
    for start in range(0, len(pile), CHUNK):
        some = np.arange(start, min(start + CHUNK, len(pile)))
        index = NearestNeighbors(n_neighbors=min(k, len(some)), metric="cosine", algorithm="brute")
        distance, places = index.fit(vectors(pile.take(some))).kneighbors(asked)
        positions = np.hstack([positions, some[places]])
        similarity = np.hstack([similarity, 1 - distance])
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        positions = np.take_along_axis(positions, best, axis=1)
        similarity = np.take_along_axis(similarity, best, axis=1)
        yield Neighbours(positions, similarity)


def tfidf_vectors(queries: Corpus, pile: Corpus, seed: int) -> Vectors:
    """TF-IDF vectors of texts, fitted on both corpora; of a large pile, on a sample of it.

    Raises SteepError if no text holds a word.
    """
    count = min(FITTED_ON, len(pile))
    drawn = numbers(seed, "words").choice(len(pile), count, replace=False)
    known = TfidfVectorizer(
        max_features=VOCABULARY, sublinear_tf=True, dtype=np.float32, analyzer=compared_terms
    )
    try:
        known.fit(chain(_texts(queries), _texts(pile.take(np.sort(drawn)))))
    except ValueError:  # scikit-learn's only way to say that there are none
        raise SteepError(
            f"{queries.source}, {pile.source}: no text holds a word of two letters or more, so "
            "none is nearer than another. Compare them with --by encoder."
        ) from None
    return lambda corpus: known.transform(_texts(corpus))


def compared_terms(text: str) -> list[str]:
    """What two texts may share: words of two letters or more, in lower case.

    Of scripts without blanks, characters and their pairs: many a word is of two, and where there
    are few characters (Thai, the syllables of Japanese) single ones say little.
    """
    words = words_in(text.lower())
    if not has_unspaced(text):
        return [word for word in words if len(word) > 1]
    single = [is_unspaced(word) for word in words]
    kept = [word for word, alone in zip(words, single, strict=True) if alone or len(word) > 1]
    pairs = zip(words, words[1:], single, single[1:], strict=False)
    return kept + [one + other for one, other, *both in pairs if all(both)]


def _texts(corpus: Corpus) -> Iterator[str]:
    return chain.from_iterable(corpus.texts())
