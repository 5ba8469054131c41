"""How much of a reference does a summary say? ROUGE-1, -2, -L and -Lsum, F measures, in any script.

As the package rouge-score 0.1.2 computes them with stemming (Lin 2004, "ROUGE: A Package for
Automatic Evaluation of Summaries"): n-grams are clipped counts over the whole text; Lsum is the
union of the longest common subsequences of each reference sentence with all sentences of the
summary, of which no word counts twice. That package knows the letters a to z alone, so texts that
are not English are scored in Steep's words of any script (`steep.data.words`), without case and
unstemmed. An own implementation, since the choice of a length scores many subsets of one document's
sentences: what two sentences have in common is found once.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Literal

from nltk.stem.porter import PorterStemmer

from steep.data.words import words_in

WordsIn = Callable[[str], list[str]]
WordsOf = Literal["english", "any"]
Sentences = Sequence[Sequence[str]]  # the words of each
LATIN = re.compile(r"[a-z0-9]+")
STEMMED = 4  # letters from which on a word is stemmed, as in ROUGE-1.5.5
ENGLISH = 0.25  # share of stop words from which on texts are English; of other languages it is low
SAMPLE = 200_000  # characters that say which language it is
NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
HEADLINE = ("rouge1", "rouge2", "rougeLsum")  # their mean chooses, and is what a study compares


def english_words(text: str) -> list[str]:
    """The words of a text as rouge-score counts them, stemmed."""
    return [word if len(word) < STEMMED else _stem(word) for word in LATIN.findall(text.lower())]


def any_words(text: str) -> list[str]:
    """The words of a text in any script, without case."""
    return words_in(text.casefold())


WORDS: dict[WordsOf, WordsIn] = {"english": english_words, "any": any_words}
_stem = cache(PorterStemmer().stem)


def words_of(texts: Iterable[str]) -> WordsOf:
    """How the words of these texts are counted: as English ones, or as those of any script."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found: list[str] = []
    for text in texts:
        found += words_in(text[:SAMPLE].lower())
        if len(found) > SAMPLE // 6:
            break
    stop = sum(word in ENGLISH_STOP_WORDS for word in found)
    return "english" if stop >= ENGLISH * max(1, len(found)) else "any"


def described(words: WordsOf) -> dict[str, Any]:
    """All settings of ROUGE, for files of results."""
    kind = {"words": words, "stemmed": words == "english", "measure": "F"}
    return kind | {"truncated": False, "lines_of_Lsum": "sentences"}


class Referee:
    """Scores summaries that are made of the sentences of one document, against its reference.

    Both are given as words, by sentence.
    """

    def __init__(self, reference: Sentences, document: Sentences) -> None:
        self.reference, self.document = reference, document
        self.whole = list(chain.from_iterable(reference))
        self.grams = [grams(self.whole, n) for n in (1, 2)]
        self.places = cache(lambda row, i: common(reference[row], document[i]))

    def score(self, chosen: Sequence[int], plain: bool = True) -> dict[str, float]:
        """F of the summary of the `chosen` sentences, in the order given; `plain` adds ROUGE-L."""
        words = list(chain.from_iterable(self.document[i] for i in chosen))
        found = {f"rouge{n}": overlap(own, grams(words, n)) for n, own in enumerate(self.grams, 1)}
        sizes = len(self.whole), len(words)
        if plain:
            found["rougeL"] = f_measure(longest(self.whole, words), *sizes)
        return found | {"rougeLsum": f_measure(self._hits(chosen, words), *sizes)}

    def headline(self, chosen: Sequence[int]) -> float:
        """The mean of ROUGE-1, -2 and -Lsum."""
        found = self.score(chosen, plain=False)
        return sum(found[name] for name in HEADLINE) / len(HEADLINE)

    def _hits(self, chosen: Sequence[int], words: Sequence[str]) -> int:
        """Words of the reference in the union of common subsequences, each as often as in both."""
        left, hits = Counter(words) & Counter(self.whole), 0
        for row, sentence in enumerate(self.reference):
            union = {place for i in chosen for place in self.places(row, i)}
            for word in (sentence[place] for place in union):
                hits += left[word] > 0
                left[word] -= 1
        return hits


def rouge(reference: Sentences, summary: Sentences) -> dict[str, float]:
    """ROUGE-1, -2, -L and -Lsum of any summary, both by sentence, as words."""
    return Referee(reference, summary).score(range(len(summary)))


def grams(words: Sequence[str], n: int) -> Counter:
    """How often each run of `n` words occurs."""
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def overlap(reference: Counter, summary: Counter) -> float:
    """F of n-grams."""
    matches = sum(min(count, summary[gram]) for gram, count in reference.items())
    return f_measure(matches, reference.total(), summary.total())


def f_measure(hits: int, reference: int, summary: int) -> float:
    """The harmonic mean of hits per word of the reference, and per word of the summary."""
    return 2 * hits / (reference + summary) if hits else 0.0


def longest(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    return len(other) - _rows(one, other)[-1].bit_count()


def common(one: Sequence[str], other: Sequence[str]) -> list[int]:
    """Where in `one` the words of the longest common subsequence stand, from the last to the first.

    Of several the one that the package finds, which goes back from both ends: in `other` only where
    that is better.
    """

    def length(row: int, j: int) -> int:  # with the first `j` words
        return j - (row & ((1 << j) - 1)).bit_count()

    rows, i, j, found = _rows(one, other), len(one), len(other), []
    while i and j:
        if one[i - 1] == other[j - 1]:
            i, j = i - 1, j - 1
            found.append(i)
        elif length(rows[i], j - 1) > length(rows[i - 1], j):
            j -= 1
        else:
            i -= 1
    return found


def _rows(one: Sequence[str], other: Sequence[str]) -> list[int]:
    """The table of lengths, a row for each beginning of `one`, each as one number.

    Bit `j` is 0 where the length grows with word `j` of `other` (Hyyrö 2004, "Bit-parallel LCS-
    length computation revisited"): all of a row in four operations.
    """
    places: dict[str, int] = {}
    for j, word in enumerate(other):
        places[word] = places.get(word, 0) | 1 << j
    every = (1 << len(other)) - 1
    rows = [every]
    for word in one:
        match = rows[-1] & places.get(word, 0)
        rows.append(((rows[-1] + match) | (rows[-1] - match)) & every)
    return rows
