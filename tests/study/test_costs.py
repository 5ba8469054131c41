"""Does a study fit into the time that there is, and is what matters least cut first?"""

from dataclasses import replace
from pathlib import Path

import pytest

from steep.args import CompareArgs, PretrainArgs
from steep.errors import SteepError
from steep.options import make
from steep.study.arms import arm_of_file
from steep.study.costs import Costs, bytes_of, cut_to, seconds_of, seconds_of_step2
from steep.study.design import Design, plan_design

FULL = plan_design(
    make(CompareArgs, arms="tfidf,base,adapted,longer", label_budgets=(100, 500), seeds=5)
)
LESS = replace(FULL, arms=FULL.arms[:-1])
COSTS = Costs({"adapted": 100.0}, {100: 1.0, 500: 5.0}, 10, per_seed=False)


def test_what_a_design_takes() -> None:
    # step 2 once; a seed: base, adapted and longer (a fit and the time of step 2), two budgets
    assert COSTS.seconds(FULL) == 100 + 5 * (3 * 1 + 100 + 3 * 5 + 100)


def test_an_arm_with_a_recipe_takes_its_own_time() -> None:
    costs = replace(COSTS, own_fits={"features": {100: 2.0, 500: 8.0}})
    more = replace(FULL, arms=(*FULL.arms, arm_of_file("features")))
    assert costs.seconds(more) == COSTS.seconds(FULL) + 5 * (2 + 8)


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (1e6, FULL),
        (1000, LESS),
        (155, replace(LESS, budgets=(500,))),
        (130, replace(LESS, budgets=(500,), seeds=(0, 1, 2))),
    ],
)
def test_arms_go_first_then_budgets_then_seeds(seconds: float, left: Design) -> None:
    assert cut_to(FULL, COSTS.seconds, seconds) == left


def test_a_step_2_that_arms_share_is_paid_once(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[adapt]\n[fit]\nepochs = 1")
    shared = replace(FULL, arms=(*FULL.arms, arm_of_file(str(own))))
    costs = replace(COSTS, step2={"adapted": 100.0, "own": 100.0})
    assert costs.seconds(shared) == COSTS.seconds(FULL) + 5 * (1 + 5)
    assert costs.disk(shared) == 10
    own.write_text("[adapt]\nmasking = 'word'")
    other = replace(FULL, arms=(*FULL.arms, arm_of_file(str(own))))
    assert costs.seconds(other) == costs.seconds(shared) + 100
    assert replace(costs, per_seed=True).disk(other) == 2 * 5 * 10


def test_longer_takes_the_time_of_a_step_2_that_was_finished_before() -> None:
    costs = replace(COSTS, step2={"adapted": 0.0}, given=100.0)
    assert costs.seconds(FULL) == COSTS.seconds(FULL) - 100


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 10 + 9),
        ({"epochs": 0.5}, (10 + 9) / 2),
        ({"minutes": 3}, 180),
        ({"max_steps": 20, "batch_tokens": 1000}, 20 * 1000 / 50),
    ],
)
def test_what_step_2_takes(tmp_path: Path, options: dict[str, float], seconds: float) -> None:
    text, pace = tmp_path / "more.txt", {"tokens_per_second": 50, "seconds_per_epoch": 10}
    text.write_text("x" * 2025)  # 450 tokens
    found = seconds_of_step2(make(PretrainArgs, **options), bytes_of((text,)), pace)
    assert found == pytest.approx(seconds)


def test_texts_that_are_drawn_cost_as_much_of_the_pile_as_they_are(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("a text\n" * 60)
    two.write_text("a text\n" * 40)
    assert bytes_of((one, two), 25) == pytest.approx(25 * len("a text\n"))
    assert bytes_of((one, two), 1000) == bytes_of((one, two)) == 100 * len("a text\n")


def test_too_little_time() -> None:
    with pytest.raises(SteepError, match="two seeds of base and adapted alone take about 2.0 min"):
        cut_to(FULL, COSTS.seconds, 50)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60m", 3600), ("1.5h", 5400)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "0m", "m", "-5m", "1d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(SteepError, match="write a time such as"):
        seconds_of(text)
