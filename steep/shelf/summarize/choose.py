"""Which sentences make a summary? By scores and a rule that validation can choose; or the oracle's.

Trigram blocking: Paulus et al. 2018, "A Deep Reinforced Model for Abstractive Summarization",
section 2.5, for sentences as in Liu & Lapata 2019, section 3.1. It helps news and hurts papers, so
it is measured.

The oracle are the labels to train on: where the reference is made of the document's own sentences,
these; elsewhere what a greedy search takes one by one for ROUGE-1 + ROUGE-2, as long as that rises
(Nallapati et al. 2017, "SummaRuNNer", section 3.2; Liu & Lapata 2019, section 3). N-grams are
clipped counts, and none crosses a sentence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from steep.errors import SteepError
from steep.shelf.summarize import SizeArgs
from steep.shelf.summarize.documents import Document
from steep.shelf.summarize.rouge import Referee, Sentences, WordsIn, grams, overlap
from steep.wording import listed

Kind = Literal["sentences", "words", "ratio"]
COUNTS = range(1, 11)
RATIOS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
MATCHED = 0.9  # of the characters of a reference that stand in whole sentences of its document


@dataclass(frozen=True)
class Rule:
    """How long a summary is, `kind` and `value`, and whether trigrams are blocked."""

    kind: Kind
    value: float
    block: bool = False

    def __str__(self) -> str:
        blocking = ", trigrams blocked" if self.block else ""
        if self.kind == "ratio":
            return f"{self.value:.0%} of the sentences{blocking}"
        return f"{self.value:g} {self.kind if self.value > 1 else self.kind[:-1]}{blocking}"

    def described(self) -> dict[str, Any]:
        """The rule as plain JSON."""
        return {"kind": self.kind, "value": self.value, "block_trigrams": self.block}

    def choose(self, scores: np.ndarray, words: Sentences) -> list[int]:
        """The sentences of a summary in the document's order; those without words are none.

        As many as the rule says, unless the document has fewer: where blocking leaves too few, the
        best that were blocked come in.
        """
        ranked = [i for i in np.argsort(-scores, kind="stable").tolist() if words[i]]
        if self.block:
            ranked = _blocked_last(ranked, words)
        if self.kind == "words":
            return sorted(_within(ranked, words, int(self.value)))
        wanted = self.value * len(words) if self.kind == "ratio" else self.value
        return sorted(ranked[: max(1, round(wanted))])


def _blocked_last(ranked: list[int], words: Sentences) -> list[int]:
    """The sentences that repeat no three words of a better one, then the others."""
    seen, first, blocked = set[tuple[str, ...]](), list[int](), list[int]()
    for i in ranked:
        own = set(grams(words[i], 3))
        if own & seen:
            blocked.append(i)
        else:
            first.append(i)
            seen |= own
    return [*first, *blocked]


def _within(ranked: list[int], words: Sentences, most: int) -> list[int]:
    """The best sentences that have `most` words together; the first in any case."""
    kept: list[int] = []
    for i in ranked:
        if not kept or len(words[i]) <= most:
            kept.append(i)
            most -= len(words[i])
    return kept


def rules_of(args: SizeArgs) -> list[Rule]:
    """The rules that the options leave to choose from; SteepError if they contradict each other."""
    given: dict[Kind, float | None] = {
        "sentences": args.sentences,
        "words": args.words,
        "ratio": args.ratio,
    }
    found = [(kind, float(value)) for kind, value in given.items() if value is not None]
    if len(found) > 1:
        raise SteepError(
            f"options {listed([kind for kind, _ in found])}: only one can say how long summaries "
            "are. Leave the others out."
        )
    counts: list[tuple[Kind, float]] = [("sentences", float(count)) for count in COUNTS]
    sizes = found or [*counts, *(("ratio", ratio) for ratio in RATIOS)]
    blocks = {"auto": (False, True), "on": (True,), "off": (False,)}[args.block_trigrams]
    return [Rule(kind, value, block) for kind, value in sizes for block in blocks]


def settled(args: SizeArgs, kept: Rule) -> Rule:
    """The rule of a use: that of the options; what they leave open is as it was `kept`."""
    rules = [
        rule for rule in rules_of(args) if args.block_trigrams != "auto" or rule.block is kept.block
    ]
    return rules[0] if len(rules) == 1 else Rule(kept.kind, kept.value, rules[0].block)


def best_rule(
    rules: Sequence[Rule], scores: Sequence[np.ndarray], cases: Sequence["Labelled"]
) -> tuple[Rule, float]:
    """The rule that suits these documents, and the mean of ROUGE-1, -2 and -Lsum that it has there.

    Many rules are tried on few documents, and the best one is so by luck. Of those within one
    standard error of it (Breiman et al. 1984, section 3.4.3) the one is taken whose summaries are
    about as long as the labels; of equal ones the first, without blocking.
    """
    picks = [
        [rule.choose(one, case.words) for one, case in zip(scores, cases, strict=True)]
        for rule in rules
    ]
    worth = np.array(
        [[case.referee.headline(own) for own, case in zip(of, cases, strict=True)] for of in picks]
    )
    behind = worth[worth.mean(1).argmax()] - worth
    error = behind.std(1) / np.sqrt(len(cases))
    sizes = np.array([np.mean([len(own) for own in of]) for of in picks])
    wanted = np.mean([len(case.chosen) for case in cases])
    apart = np.where(behind.mean(1) <= error, np.abs(sizes - wanted), np.inf)
    at = int(apart.argmin())
    return rules[at], float(worth[at].mean())


@dataclass(frozen=True)
class Labelled:
    """A document, its words by sentence, its reference by sentence, and which sentences make it.

    `how` is "given", "matched" or "greedy"; of all but the last the reference is the sentences.
    """

    document: Document
    words: list[list[str]]
    reference: list[list[str]]
    chosen: list[int]
    """The numbers of the sentences, from 0."""
    how: str

    @property
    def labels(self) -> np.ndarray:
        """Which sentences make the summary, bool (sentences,)."""
        return np.isin(np.arange(len(self.words)), self.chosen)

    @cached_property
    def referee(self) -> Referee:
        """What scores summaries of this document."""
        return Referee(self.reference, self.words)


def labelled(document: Document, words: WordsIn) -> Labelled:
    """A document with its labels: the user's, by matching, or by the greedy search."""
    own = [words(sentence) for sentence in document.sentences]
    how, chosen = "matched", matched(document.sentences, document.reference)
    if document.marks is not None:
        how, chosen = "given", np.flatnonzero(document.marks).tolist()
    if chosen is None:
        reference = [words(sentence) for sentence in document.reference]
        return Labelled(document, own, reference, sorted(greedy(own, reference)), "greedy")
    return Labelled(document, own, [own[i] for i in chosen], chosen, how)


def matched(sentences: Sequence[str], reference: Sequence[str]) -> list[int] | None:
    """The sentences that the reference consists of, blanks apart; None where it does not.

    The longest are looked for first, so that a short one is not found within them.
    """
    left, *squeezed = ("".join(text.split()) for text in ("".join(reference), *sentences))
    whole, found = len(left), []
    for i in sorted(range(len(sentences)), key=lambda i: (-len(squeezed[i]), i)):
        if squeezed[i] and squeezed[i] in left:
            left = left.replace(squeezed[i], "\0", 1)
            found.append(i)
    rest = len(left.replace("\0", ""))
    return sorted(found) if whole and whole - rest >= MATCHED * whole else None


def greedy(document: Sentences, reference: Sentences, most: int | None = None) -> list[int]:
    """The numbers of sentences in the order in which they are taken, `most` at most.

    Both are given as words, by sentence. None where no sentence shares a word with the reference.
    """
    wanted = [sum((grams(words, n) for words in reference), Counter()) for n in (1, 2)]
    own = [[grams(words, n) for n in (1, 2)] for words in document]
    best, taken = 0.0, list[int]()
    have = [Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()]
    while len(taken) < min(len(document), len(document) if most is None else most):
        worth = [
            0.0 if i in taken else sum(overlap(wanted[n], have[n] + own[i][n]) for n in (0, 1))
            for i in range(len(document))
        ]
        i = int(np.argmax(worth))
        if worth[i] <= best:
            break
        taken.append(i)
        best, have = worth[i], [have[n] + own[i][n] for n in (0, 1)]
    return taken
