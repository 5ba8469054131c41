"""Are baselines what they say, and is a summary's worth measured with its chance?"""

import numpy as np
import pytest

from steep.metrics.weighted import Draws
from steep.shelf.summarize.choose import Rule, labelled
from steep.shelf.summarize.documents import Document
from steep.shelf.summarize.measure import (
    baseline_picks,
    examples,
    headline,
    interval,
    measured,
    positions,
    score_picks,
)
from steep.shelf.summarize.rouge import english_words

DOCUMENT = ["The cat sat here.", "A dog ran to the cat.", "The dog and the cat.", "It rained."]


def cases(count: int = 3) -> list:
    words = english_words
    documents = [Document(i, f"d{i}", DOCUMENT, [DOCUMENT[2]]) for i in range(count)]
    return [labelled(one, words) for one in documents]


def test_baselines_have_the_length_of_the_rule() -> None:
    found = baseline_picks(cases(), Rule("sentences", 2, True), 0)
    assert found["lead"] == [[0, 1]] * 3
    assert found["oracle"] == [[2]] * 3
    assert all(len(own) == 2 for name in ("textrank", "random") for own in found[name])
    again = baseline_picks(cases(), Rule("sentences", 2, True), 0)
    assert found == again
    assert (
        len(
            {
                tuple(own)
                for own in baseline_picks(cases(9), Rule("sentences", 2, True), 0)["random"]
            }
        )
        > 1
    )


def test_the_oracle_of_a_matched_document_is_right_and_others_are_less() -> None:
    every = cases()
    picks = baseline_picks(every, Rule("sentences", 1, False), 0)
    found = measured(every, picks | {"model": [[2]] * 3}, Draws(200))
    assert found["rouge"]["oracle"]["rouge1"] == {"value": 100.0, "low": 100.0, "high": 100.0}
    assert found["gains"]["lead"]["low"] > 0
    assert found["positions"]["model"]["mean"] == pytest.approx(2.5 / 4)
    assert found["words"]["lead"] == 4


def test_intervals_are_those_of_a_bootstrap_over_documents() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = interval(values, Draws(2000))
    assert found["value"] == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.04)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.04)


def test_positions_and_examples() -> None:
    every = cases(8)
    place = positions(every, [[0], [3], *[[]] * 6])
    assert place["mean"] == pytest.approx(0.5)
    assert sum(place["tenths"]) == pytest.approx(1)
    picks = baseline_picks(every, Rule("sentences", 1, False), 0)
    picks["model"] = [[i % 4] for i in range(8)]
    shown = examples(every, picks, [np.zeros(4)] * 8)
    worth = headline(score_picks(every, picks["model"]))
    assert shown[0]["rouge"] == worth.min()
    assert max(one["rouge"] for one in shown) == worth.max() == pytest.approx(100)
    assert len({one["id"] for one in shown}) == len(shown) == 6
