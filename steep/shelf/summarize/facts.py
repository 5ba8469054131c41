"""What does the vector of a sentence not tell? How long it is, where it stands, how central it is.

Besides its content, that is what an extractive model judges a sentence by (Nallapati et al. 2017,
"SummaRuNNer", section 2: content, salience, novelty, place). An encoder can learn all of it
from its window, but not from some hundred documents (docs/summaries.md has what it is worth).
"""

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np

from steep.data.tokens import Tokens

DAMPING, STEPS = 0.85, 50
ALONE = 1e-9  # a sum of cosines that is but rounding: no other sentence has a word of it
FACTS = 4  # a sentence: log of its length, place from first to last, log of its place, centrality


def facts_of(tokens: Tokens, documents: np.ndarray) -> np.ndarray:
    """The facts of each sentence, near 0 and of about the same size: float32 (sentences, FACTS).

    `tokens` are those of all sentences, end to end, `documents` int64 (documents + 1,) the first
    sentence of each document.
    """
    found = np.zeros((len(tokens), FACTS), np.float32)
    found[:, 0] = np.log1p(tokens.lengths) - 3
    for start, end in pairwise(documents.tolist()):
        place, own = np.arange(end - start), found[start:end]
        own[:, 1] = 2 * place / max(1, end - start - 1) - 1
        own[:, 2] = np.log1p(place) - 2
        ranks = textrank([tokens[i].tolist() for i in range(start, end)])
        own[:, 3] = np.log(ranks * (end - start) + 1e-3)
    return found


def textrank(words: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """How central each sentence is to its document, float64 (sentences,); they sum to 1.

    PageRank over cosines of tf-idf vectors (Mihalcea & Tarau 2004, "TextRank", equation 2, with the
    similarity of Erkan & Radev 2004, "LexRank", equation 1). Words may be numbers of tokens, too.
    A book has many sentences, so the cosines of all pairs are never there at once.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = len(words)
    if not any(words):
        return np.zeros(count)
    vectors = TfidfVectorizer(analyzer=list).fit_transform(words)
    own = np.asarray(vectors.multiply(vectors).sum(1)).ravel()  # a sentence's with itself: left out

    def to_others(values: np.ndarray) -> np.ndarray:
        return vectors @ (vectors.T @ values) - own * values

    total = to_others(np.ones(count))
    alone = total < ALONE
    rank = np.full(count, 1 / count)
    for _ in range(STEPS):
        shares = np.divide(rank, total, out=np.zeros(count), where=~alone)
        spread = to_others(shares) + rank[alone].sum() / count
        rank = (1 - DAMPING) / count + DAMPING * spread
    return rank
