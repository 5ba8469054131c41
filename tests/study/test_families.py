"""Do answers at several label budgets hold after correction for their number?"""

from typing import Any

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.study.families import correct_for_budgets, holm
from steep.study.verdict import CellResult, Question, verdict

TASK, ROWS = Task("single", ("a", "b")), 400


def test_holm_against_the_definition() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, 0.06, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]


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
    assert few["comparisons"][0]["p_holm"] == pytest.approx(0.0812)
    assert many["comparisons"][0]["p_holm"] is None and many["hint"] is None
    assert few["comparisons"][1]["p_holm"] == pytest.approx(0.0794)  # a family of its own


def test_the_headline_stands_and_others_have_to_hold() -> None:
    parts = [part("yes", 0.024), part("no", 0.03), part("yes", 0.04)]
    correct_for_budgets(parts)
    assert [(one["answer"], one["hint"]) for one in parts] == [
        ("cannot tell", "yes"),  # 3 x 0.024
        ("cannot tell", "no"),
        ("yes", None),
    ]
    parts = [part("yes", 0.012), part("cannot tell", None), part("cannot tell", 0.4)]
    correct_for_budgets(parts)
    assert [one["answer"] for one in parts] == ["yes", "cannot tell", "cannot tell"]


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
        "a hint of 'yes' that does not hold after correction for 2 budgets (p 0.09"
        in just["paragraph"]
    )


def judge(cells: list[CellResult], smallest_effect: float) -> dict[str, Any]:
    question = Question("accuracy", smallest_effect)
    return verdict(TASK, np.ones(ROWS, int), cells, question, 1)
