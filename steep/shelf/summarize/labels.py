"""Which sentences of a document make its summary? Labels to train on: the oracle.

Where the reference is made of the document's own sentences, these; elsewhere the sentences that a
greedy search takes one by one for ROUGE-1 + ROUGE-2, as long as that rises (Nallapati et al. 2017,
"SummaRuNNer", section 3.2; Liu & Lapata 2019, section 3). N-grams are clipped counts, and none
crosses a sentence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steep.shelf.summarize.documents import Document
from steep.shelf.summarize.rouge import Referee, Sentences, WordsIn, grams, overlap

MATCHED = 0.9  # of the characters of a reference that stand in whole sentences of its document


@dataclass(frozen=True)
class Labelled:
    """A document, its words by sentence, its reference by sentence, and which sentences make it.

    `how` is "given", "matched" or "greedy"; of a matched one the reference is the sentences.
    """

    document: Document
    words: list[list[str]]
    reference: list[list[str]]
    labels: np.ndarray  # bool (sentences,)
    how: str

    @property
    def sentences(self) -> list[str]:
        """The document's sentences."""
        return self.document.sentences

    @cached_property
    def referee(self) -> Referee:
        """What scores summaries of this document."""
        return Referee(self.reference, self.words)

    @property
    def chosen(self) -> list[int]:
        """The numbers of the sentences, from 0."""
        return np.flatnonzero(self.labels).tolist()


def labelled(document: Document, words: WordsIn) -> Labelled:
    """A document with its labels: the user's, by matching, or by the greedy search."""
    own = [words(sentence) for sentence in document.sentences]
    labels = np.zeros(len(own), bool)
    if document.marks is not None:
        labels[:] = document.marks
        how = "given"
    elif (found := matched(document.sentences, document.reference)) is not None:
        labels[found] = True
        how = "matched"
    else:
        reference = [words(sentence) for sentence in document.reference]
        labels[greedy(own, reference)] = True
        return Labelled(document, own, reference, labels, "greedy")
    return Labelled(document, own, [own[i] for i in np.flatnonzero(labels)], labels, how)


def matched(sentences: Sequence[str], reference: Sequence[str]) -> list[int] | None:
    """The sentences that the reference consists of, blanks apart; None where it does not.

    The longest are looked for first, so that a short one is not found within them.
    """
    left = _squeezed(" ".join(reference))
    whole, found = len(left), []
    squeezed = [_squeezed(sentence) for sentence in sentences]
    for i in sorted(range(len(sentences)), key=lambda i: (-len(squeezed[i]), i)):
        if squeezed[i] and squeezed[i] in left:
            left = left.replace(squeezed[i], "\0", 1)
            found.append(i)
    rest = len(left.replace("\0", ""))
    return sorted(found) if whole and whole - rest >= MATCHED * whole else None


def _squeezed(text: str) -> str:
    return "".join(text.split())


def greedy(document: Sentences, reference: Sentences, most: int | None = None) -> list[int]:
    """The numbers of sentences in the order in which they are taken, `most` at most.

    Both are given as words, by sentence. None where no sentence shares a word with the reference.
    """
    wanted = [sum((grams(words, n) for words in reference), Counter()) for n in (1, 2)]
    own = [[grams(words, n) for n in (1, 2)] for words in document]
    taken: list[int] = []
    have, best = [Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()], 0.0
    while len(taken) < (len(document) if most is None else min(most, len(document))):
        worth = [
            sum(overlap(wanted[n], have[n] + own[i][n]) for n in (0, 1)) if i not in taken else 0.0
            for i in range(len(document))
        ]
        i = int(np.argmax(worth))
        if worth[i] <= best:
            break
        taken.append(i)
        best, have = worth[i], [have[n] + own[i][n] for n in (0, 1)]
    return taken
