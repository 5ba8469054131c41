"""Does the interval of a paired gain hold what it promises, and does its plan?"""

from typing import Any

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.weighted import Support
from steep.study.paired import Noise, correct_for_budgets, holm, paired_gain
from steep.study.verdict import CellResult, Question, verdict


def test_intervals_cover_a_truth_of_seeds_and_rows():
    """Normal studies straight into the statistics: 1,000 with 5 seeds, seeds as noisy as rows."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        differences = 0.02 + 0.01 * random.normal() + 0.0224 * random.normal(size=5)
        drawn = differences + 0.01 * random.normal(size=(300, 1))
        found = paired_gain(differences, drawn, Support.of_rows(1000), 0.0, random)
        covered += found["low"] <= 0.02 <= found["high"]
    assert 0.92 < covered / 1000 < 0.975


def test_the_minimum_detectable_gain_is_found_in_eight_of_ten():
    random, noise = np.random.default_rng(2), Noise(0.02**2, 0.005**2, 0.0, 1000)
    planted, hits = noise.detectable(5), 0
    for _ in range(1000):
        differences = planted + 0.005 * random.normal() + 0.02 * random.normal(size=5)
        drawn = differences + 0.005 * random.normal(size=(200, 1))
        hits += paired_gain(differences, drawn, Support.of_rows(1000), 0.0, random)["low"] > 0
    assert 0.7 < hits / 1000 < 0.9


def test_seeds_as_the_bottleneck():
    random = np.random.default_rng(13)
    differences = np.array([0.05, -0.03, 0.04, -0.02, 0.03])
    found = paired_gain(
        differences,
        differences + 1e-4 * random.normal(size=(200, 1)),
        Support.of_rows(10**6),
        0,
        random,
    )
    noise = Noise(float(differences.var(ddof=1)), 1e-8, 0.0, 10**6)
    assert found["bottleneck"] == "seeds"
    needed = found["seeds_needed"]
    assert noise.detectable(needed) <= found["gain"] * 1.01
    assert noise.detectable(needed - 2) > found["gain"]


def test_flipped_signs_and_the_probability_of_a_gain():
    random = np.random.default_rng(16)
    differences = np.array([0.02, 0.03, 0.025, 0.01, 0.04])
    drawn = differences + 1e-3 * random.normal(size=(300, 1))
    found = paired_gain(differences, drawn, Support.of_rows(1000), 0.01, random)
    assert found["p_permutation"] == 2 / 2**5  # all five agree: the least that five seeds can say
    assert 0.9 < found["probability"] < 1
    mirrored = paired_gain(
        -differences, -drawn, Support.of_rows(1000), -0.01, np.random.default_rng(16)
    )
    assert mirrored["probability"] == pytest.approx(1 - found["probability"])


TASK, ROWS = Task("single", ("a", "b")), 400


def test_holm_against_the_definition() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, 0.06, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]
    assert holm([0.005, 0.03], [0.2, 0.8]) == [pytest.approx(0.025), pytest.approx(0.03)]
    assert holm([0.02, 0.03], [0.2, 0.8]) == [pytest.approx(0.0375), pytest.approx(0.0375)]


def part(answer: str, p: float | None, *others: float | None) -> dict[str, Any]:
    """A budget with the answer and p value of its main comparison, and others of other arms."""
    main = {"main": True, "p_smallest": p, "p_value": 0.0}
    return {
        "answer": answer,
        "comparisons": [main, *({"main": False, "p_value": q, "p_smallest": 0.0} for q in others)],
    }


def test_the_figures_of_imdb_with_few_labels() -> None:
    """docs/results: 100 labels p 0.041, 500 labels p 0.65."""
    few, many = part("yes", 0.0406, 0.0397), part("cannot tell", 0.651, 0.107)
    correct_for_budgets([few, many])
    assert (few["answer"], few["hint"]) == ("cannot tell", "yes")
    assert few["comparisons"][0]["p_holm"] == pytest.approx(0.203)  # 0.0406 / 0.2
    assert many["comparisons"][0]["p_holm"] == pytest.approx(0.651) and many["hint"] is None
    assert few["comparisons"][1]["p_holm"] == pytest.approx(0.0794)  # a family of its own


def test_every_answer_has_to_hold_and_the_headline_most_easily() -> None:
    """The headline has four fifths of the 5 %, two others a tenth each; what is won is shared."""
    parts = [part("yes", 0.024), part("no", 0.03), part("yes", 0.045)]
    correct_for_budgets(parts)
    assert [(one["answer"], one["hint"]) for one in parts] == [
        ("cannot tell", "yes"),
        ("cannot tell", "no"),
        ("cannot tell", "yes"),  # 0.045 / 0.8
    ]
    parts = [part("yes", 0.024), part("no", 0.03), part("yes", 0.03)]
    correct_for_budgets(parts)
    assert [one["answer"] for one in parts] == ["yes", "no", "yes"]  # 0.03 / 0.8; 0.024 x 2
    parts = [part("yes", 0.004), part("cannot tell", None), part("cannot tell", 0.4)]
    correct_for_budgets(parts)
    assert [one["answer"] for one in parts] == ["yes", "cannot tell", "cannot tell"]


def test_two_seeds_that_agree_by_luck_are_not_trusted() -> None:
    """The rows alone would give 499 degrees of freedom."""
    noise = Noise(1e-12, 0.01**2, 0.0, 500)
    assert noise.error(2)[2] == 3 and noise.error(5)[2] > 400


def test_what_is_not_worth_it_needs_no_seeds() -> None:
    random = np.random.default_rng(3)
    differences = np.array([0.010, 0.012, 0.011, 0.009, 0.010])
    drawn = differences + 1e-3 * random.normal(size=(300, 1))
    for smallest, told in ((0.005, True), (0.02, False)):
        found = paired_gain(differences, drawn, Support.of_rows(1000), smallest, random)
        assert (found["seeds_needed"] is not None) is told
    lost = paired_gain(-differences, -drawn, Support.of_rows(1000), 0.0, random)
    assert lost["seeds_needed"] is None and lost["high"] < 0


def test_the_correction_is_that_of_the_smallest_effect() -> None:
    """A gain that is beyond doubt, but hardly above the smallest effect, is a hint only."""
    random, cells = np.random.default_rng(0), []
    for labels, skill in ((50, 0.7), (100, 0.68)):
        for seed in range(5):
            for arm, right in (("base", 0.5), ("adapted", skill)):
                many = round(ROWS * right) + random.integers(-6, 7)
                outputs = np.where(np.arange(ROWS)[:, None] < many, [0.1, 0.9], [0.9, 0.1])
                cells.append(CellResult(arm, seed, 1, outputs, labels=labels))
    free = judge(cells, 0.0)["budgets"][0]
    low = free["comparisons"][0]["low"]
    assert (free["answer"], free["hint"]) == ("yes", None)
    just = judge(cells, low - 1e-4)
    few = just["budgets"][0]
    assert few["comparisons"][0]["p_value"] < 0.001
    assert few["comparisons"][0]["p_smallest"] == pytest.approx(0.05, abs=0.002)
    assert (few["answer"], few["hint"]) == ("cannot tell", "yes")
    assert (
        "a hint of 'yes' that does not hold after correction for 2 budgets (p 0.25"
        in just["paragraph"]
    )


def judge(cells: list[CellResult], smallest_effect: float) -> dict[str, Any]:
    question = Question("accuracy", smallest_effect)
    return verdict(TASK, np.ones(ROWS, int), cells, question, 1)
