"""Has a summary exactly as many sentences as the rule says, in the order of the document?"""

from dataclasses import replace

import numpy as np
import pytest

from steep.errors import SteepError
from steep.options import make
from steep.shelf.summarize import SizeArgs
from steep.shelf.summarize.choose import Labelled, Rule, best_rule, rules_of, settled
from steep.shelf.summarize.documents import Document

WORDS = [list("abcd"), list("xabc"), list("klm"), list("pq"), []]
SCORES = np.array([0.9, 0.8, 0.3, 0.5, 0.99])


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        (Rule("sentences", 1, False), [0]),
        (Rule("sentences", 3, False), [0, 1, 3]),
        (Rule("sentences", 3, True), [0, 2, 3]),
        (Rule("sentences", 4, True), [0, 1, 2, 3]),
        (Rule("sentences", 9, False), [0, 1, 2, 3]),
        (Rule("ratio", 0.4, False), [0, 1]),
        (Rule("ratio", 0.01, False), [0]),
        (Rule("ratio", 1.0, False), [0, 1, 2, 3]),
        (Rule("words", 6, False), [0, 3]),
        (Rule("words", 1, False), [0]),
        (Rule("words", 100, True), [0, 1, 2, 3]),
    ],
)
def test_exactly_as_many_as_asked(rule: Rule, chosen: list[int]) -> None:
    assert rule.choose(SCORES, WORDS) == chosen


def test_nothing_is_chosen_of_nothing() -> None:
    assert Rule("sentences", 3, True).choose(np.zeros(0), []) == []
    assert Rule("words", 30, False).choose(np.zeros(1), [[]]) == []


def test_equal_scores_go_by_position() -> None:
    assert Rule("sentences", 2, False).choose(np.zeros(4), WORDS[:4]) == [0, 1]


def test_the_rule_that_is_best_on_validation_is_taken() -> None:
    words = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    case = Labelled(Document(0, "", [], []), words, words[:2], [0, 1], "given")
    scores = [np.array([4.0, 3.0, 2.0, 1.0])]
    rule, worth = best_rule(rules_of(SizeArgs()), scores, [case])
    assert (rule.kind, rule.value, rule.block) == ("sentences", 2, False)
    assert worth == pytest.approx(1.0)


def test_of_rules_that_few_documents_cannot_tell_apart_the_length_of_the_labels_is_taken() -> None:
    """One more sentence would be best, by the luck of one document in three."""
    words = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    cases = [
        Labelled(Document(0, "", [], []), words, reference, [0, 1], "given")
        for reference in (words[:2], words[:2], [*words[:2], ["e", "f"], ["e", "x"]])
    ]
    scores, rules = [np.array([4.0, 3.0, 2.0, 1.0])] * 3, [Rule("sentences", n) for n in (1, 2, 3)]
    rule, _ = best_rule(rules, scores, cases)
    assert rule.value == 2
    three = [replace(case, reference=words[:3]) for case in cases]
    assert best_rule(rules, scores, three)[0].value == 3, "all documents say so"


def test_options_fix_what_they_say() -> None:
    assert len(rules_of(make(SizeArgs, sentences=3))) == 2
    assert rules_of(make(SizeArgs, words=80, block_trigrams="on")) == [Rule("words", 80, True)]
    with pytest.raises(SteepError, match="options sentences and ratio: only one can say how long"):
        rules_of(make(SizeArgs, sentences=3, ratio=0.1))


def test_a_use_keeps_what_it_does_not_change() -> None:
    kept = Rule("ratio", 0.3, True)
    assert settled(SizeArgs(), kept) == kept
    assert settled(make(SizeArgs, sentences=2), kept) == Rule("sentences", 2, True)
    assert settled(make(SizeArgs, block_trigrams="off"), kept) == Rule("ratio", 0.3, False)
