"""Does a study fit into the time that there is, and is what matters least cut first?"""

from dataclasses import replace

import pytest

from steep.errors import SteepError
from steep.stages.costs import Costs, fitted, seconds_of
from steep.study.design import Design

FULL = Design(("tfidf", "base", "adapted", "longer"), (100, 500), (0, 1, 2, 3, 4))
COSTS = Costs({"adapted": 100.0}, {100: 1.0, 500: 5.0}, 10, per_seed=False)


def test_what_a_design_takes() -> None:
    # step 2 once; a seed: base, adapted and longer (a fit and the time of step 2), two budgets
    assert COSTS.seconds(FULL) == 100 + 5 * (3 * 1 + 100 + 3 * 5 + 100)


def test_an_arm_with_a_recipe_takes_its_own_time() -> None:
    costs = replace(COSTS, recipes={"features": {100: 2.0, 500: 8.0}})
    more = replace(FULL, arms=(*FULL.arms, "features"))
    assert costs.seconds(more) == COSTS.seconds(FULL) + 5 * (2 + 8)


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (1e6, FULL),
        (1000, Design(("tfidf", "base", "adapted"), (100, 500), (0, 1, 2, 3, 4))),
        (155, Design(("tfidf", "base", "adapted"), (500,), (0, 1, 2, 3, 4))),
        (130, Design(("tfidf", "base", "adapted"), (500,), (0, 1, 2))),
    ],
)
def test_arms_go_first_then_budgets_then_seeds(seconds: float, left: Design) -> None:
    assert fitted(FULL, COSTS.seconds, seconds) == left


def test_too_little_time() -> None:
    with pytest.raises(
        SteepError, match="two seeds of base and adapted alone take about 120 s|2 m"
    ):
        fitted(FULL, COSTS.seconds, 50)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60m", 3600), ("1.5h", 5400)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "0m", "m", "-5m", "1d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(SteepError, match="write a time such as"):
        seconds_of(text)
