"""Is ROUGE that of rouge-score with stemming, and does it know scripts that are not Latin?"""

import random

import pytest

from steep.shelf.summarize.rouge import (
    NAMES,
    WORDS,
    Referee,
    common,
    english_words,
    longest,
    rouge,
    words_of,
)

REFERENCE = """Police in Louisiana have arrested two men over the robberies.
They're accused of running from officers, who were chasing them for running a red light.
"""
SUMMARY = """Two men were arrested by the police on Tuesday, accused of robbery.
Officers chased the running men; the men ran through red lights.
The robberies were in Baton Rouge.
"""


def scored(reference: str, summary: str, kind: str = "english") -> dict[str, float]:
    words = WORDS[kind]
    both = ([words(s) for s in text.split("\n") if s] for text in (reference, summary))
    return rouge(*both)


def test_it_is_that_of_the_package() -> None:
    """The values are those of rouge-score 0.1.2, with use_stemmer."""
    found = scored(REFERENCE, SUMMARY)
    assert found == pytest.approx(PACKAGE, abs=1e-9)


def test_it_equals_the_package_on_random_texts() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer", reason="needs rouge-score")
    theirs = scorer.RougeScorer(list(NAMES), use_stemmer=True)
    draw = random.Random(3)
    words = "the running runner ran café a b's cats, cat and; police U.S. 1.5 of of of".split()
    for _ in range(300):
        one, other = (
            "\n".join(" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(n))
            for n in (draw.randint(1, 4), draw.randint(1, 5))
        )
        expected = {name: score.fmeasure for name, score in theirs.score(one, other).items()}
        assert scored(one, other) == pytest.approx(expected, abs=1e-9), (one, other)


@pytest.mark.parametrize(
    ("reference", "summary"),
    [
        ("Полиция арестовала двух мужчин.", "Двух мужчин арестовала полиция города."),
        ("警方逮捕了两名男子。", "两名男子被警方逮捕。"),
        ("पुलिस ने दो लोगों को गिरफ्तार किया।", "दो लोगों को पुलिस ने पकड़ा।"),
    ],
)
def test_other_scripts_have_words(reference: str, summary: str) -> None:
    assert words_of([reference]) == "any"
    found = scored(reference, summary, "any")
    assert all(found[name] > 0 for name in NAMES)
    assert scored(reference, reference, "any") == dict.fromkeys(NAMES, 1.0)


def test_english_is_recognised() -> None:
    assert words_of([REFERENCE * 3]) == "english"
    assert words_of(["Le chat est parti de la maison avec les enfants de la ville."]) == "any"
    assert words_of([]) == "any"


def test_nothing_scores_nothing() -> None:
    assert scored("", "a b") == scored("a b", "") == scored("", "") == dict.fromkeys(NAMES, 0.0)


def test_a_referee_scores_any_subset_as_a_fresh_one_would() -> None:
    words = english_words
    document = [words(s) for s in SUMMARY.split("\n")]
    reference = [words(s) for s in REFERENCE.split("\n")]
    referee = Referee(reference, document)
    for chosen in ([0], [2, 1], [0, 1, 2], [1], []):
        assert referee.score(chosen) == rouge(reference, [document[i] for i in chosen])


def test_the_longest_common_subsequence_is_one() -> None:
    draw = random.Random(0)
    for _ in range(200):
        one, other = (draw.choices("abcd", k=draw.randint(0, 9)) for _ in range(2))
        places = common(one, other)
        assert len(places) == longest(one, other) == table(one, other)
        assert places == sorted(places, reverse=True)
        left = iter(other)
        assert all(one[place] in left for place in places[::-1]), "a subsequence of both"


def table(one: list[str], other: list[str]) -> int:
    """The textbook's length."""
    rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            rows[i + 1][j + 1] = rows[i][j] + 1 if a == b else max(rows[i][j + 1], rows[i + 1][j])
    return rows[-1][-1]


PACKAGE = {
    "rouge1": 0.5454545454545454,
    "rouge2": 0.15094339622641512,
    "rougeL": 0.3636363636363637,
    "rougeLsum": 0.43636363636363634,
}
