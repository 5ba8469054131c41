"""Are the oracle's sentences those that a search over all subsets would take, or the user's own?"""

import random
from itertools import combinations

import numpy as np

from steep.shelf.summarize.choose import greedy, labelled, matched
from steep.shelf.summarize.documents import Document
from steep.shelf.summarize.rouge import english_words, rouge

SENTENCES = [
    "The cat sat on the mat.",
    "Yes.",
    "It was a cold day in May, yes.",
    "Dogs were barking all night.",
]


def worth(document: list[list[str]], reference: list[list[str]], chosen: list[int]) -> float:
    """ROUGE-1 + ROUGE-2 with sentences set apart by a word of their own, which no bigram has."""
    found = rouge(reference, [document[i] for i in chosen])
    return found["rouge1"] + found["rouge2"]


def test_the_first_sentence_is_the_best_one_and_each_further_one_a_gain() -> None:
    draw = random.Random(5)
    for _ in range(50):
        document = [draw.choices("abcdefgh", k=draw.randint(1, 6)) for _ in range(5)]
        reference = [draw.choices("abcdefgh", k=6)]
        taken = greedy(document, reference)
        if not taken:
            continue
        single = [worth(document, reference, [i]) for i in range(5)]
        assert single[taken[0]] == max(single)
        assert len(set(taken)) == len(taken)
        assert greedy(document, reference, 1) == taken[:1]


def test_it_is_near_the_best_of_all_subsets() -> None:
    draw, found = random.Random(6), []
    for _ in range(40):
        document = [draw.choices("abcdefghijkl", k=5) for _ in range(6)]
        reference = [document[1], document[4]]
        subsets = [list(c) for n in (1, 2, 3) for c in combinations(range(6), n)]
        best = max(worth(document, reference, subset) for subset in subsets)
        found.append(worth(document, reference, sorted(greedy(document, reference))) / best)
    assert np.mean(found) > 0.97


def test_nothing_in_common_gives_no_sentence() -> None:
    assert greedy([["a"], ["b"]], [["c"]]) == []
    assert greedy([], [["c"]]) == []


def test_own_sentences_are_matched_though_glued_and_out_of_order() -> None:
    glued = SENTENCES[2].replace(" ", "  ") + SENTENCES[0].replace(" ", "")
    assert matched(SENTENCES, [glued]) == [0, 2]
    assert matched(SENTENCES, ["Yes."]) == [1]
    assert matched(SENTENCES, ["A feline rested there, on the mat."]) is None
    assert matched(SENTENCES, []) is None


def test_labels_are_the_users_or_matched_or_greedy() -> None:
    words = english_words
    given = labelled(Document(0, "a", SENTENCES, [SENTENCES[3]], [0, 0, 0, 1]), words)
    assert (given.how, given.chosen) == ("given", [3])
    own = labelled(Document(0, "a", SENTENCES, ["".join(SENTENCES[2:])]), words)
    assert (own.how, own.chosen) == ("matched", [2, 3])
    assert own.reference == own.words[2:]
    other = labelled(Document(0, "a", SENTENCES, ["Dogs barked at night, on a mat."]), words)
    assert other.how == "greedy"
    assert 3 in other.chosen
