"""Which sentences make a summary, given a score for each? By a rule that validation can choose.

Trigram blocking: Paulus et al. 2018, "A Deep Reinforced Model for Abstractive Summarization",
section 2.5, for sentences as in Liu & Lapata 2019, section 3.1. It helps news and hurts papers, so
it is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from steep.errors import SteepError
from steep.shelf.summarize import SizeArgs
from steep.shelf.summarize.rouge import Referee, grams
from steep.wording import listed

Kind = Literal["sentences", "words", "ratio"]
COUNTS = range(1, 11)
RATIOS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True)
class Rule:
    """How long a summary is, `kind` and `value`, and whether trigrams are blocked."""

    kind: Kind
    value: float
    block: bool

    def __str__(self) -> str:
        blocking = ", trigrams blocked" if self.block else ""
        if self.kind == "ratio":
            return f"{self.value:.0%} of the sentences{blocking}"
        return f"{self.value:g} {self.kind if self.value > 1 else self.kind[:-1]}{blocking}"

    def described(self) -> dict[str, Any]:
        """The rule as plain JSON."""
        return {"kind": self.kind, "value": self.value, "block_trigrams": self.block}

    def count(self, sentences: int) -> int:
        """How many of so many sentences are chosen; all where words decide."""
        if self.kind == "words":
            return sentences
        wanted = round(self.value * sentences) if self.kind == "ratio" else int(self.value)
        return min(max(1, wanted), sentences)

    def choose(self, scores: np.ndarray, words: Sequence[Sequence[str]]) -> list[int]:
        """The sentences of a summary in the document's order; those without words are none.

        As many as the rule says, unless the document has fewer: where blocking leaves too few, the
        best that were blocked come in.
        """
        able = [i for i in np.argsort(-scores, kind="stable").tolist() if words[i]]
        count, seen = self.count(len(words)), set[tuple[str, ...]]()
        first: list[int] = []
        blocked: list[int] = []
        for i in able if self.block else ():
            own = set(grams(words[i], 3))
            if own & seen:
                blocked.append(i)
                continue
            first.append(i)
            seen |= own
            if len(first) == count:
                break
        ranked = [*first, *blocked] if self.block else able
        if self.kind == "words":
            ranked = _within(ranked, words, int(self.value))
        return sorted(ranked[:count])


def _within(ranked: list[int], words: Sequence[Sequence[str]], most: int) -> list[int]:
    """The best sentences that have `most` words together; the first in any case."""
    kept: list[int] = []
    left = most
    for i in ranked:
        if not kept or len(words[i]) <= left:
            kept.append(i)
            left -= len(words[i])
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
    rules: Sequence[Rule], scores: Sequence[np.ndarray], referees: Sequence[Referee]
) -> tuple[Rule, float]:
    """The rule whose summaries have the highest mean of ROUGE-1, -2 and -Lsum, and this mean.

    Of equal ones the first: the shorter summaries, without blocking.
    """
    worth = [
        float(
            np.mean(
                [
                    referee.headline(rule.choose(one, referee.document))
                    for one, referee in zip(scores, referees, strict=True)
                ]
            )
        )
        for rule in rules
    ]
    at = int(np.argmax(worth))
    return rules[at], worth[at]
