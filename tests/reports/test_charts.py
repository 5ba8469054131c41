"""Are axes round, and points where they belong?"""

import numpy as np
import pytest
from scipy import stats

from steep.reports import charts


def test_ticks_are_round_and_cover_the_values() -> None:
    axis = charts.axis("loss", [0.13, 0.72])
    labels = [label for _, label in axis.ticks]
    assert axis.low <= 0.13 and axis.high >= 0.72
    assert labels == ["0.0", "0.2", "0.4", "0.6", "0.8"]
    assert [place for place, _ in axis.ticks] == [0, 25, 50, 75, 100]


def test_a_tight_axis_ends_where_the_values_end() -> None:
    axis = charts.axis("step", [0, 1140], whole=True, tight=True)
    assert (axis.low, axis.high) == (0, 1140)
    assert [label for _, label in axis.ticks][-1] == "1,000"


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e6])
def test_a_single_value_has_an_axis(value: float) -> None:
    axis = charts.axis("x", [value])
    assert axis.low < value < axis.high or axis.low <= value <= axis.high
    assert 0 <= charts.place(axis, value) <= 100


def test_higher_values_are_drawn_higher() -> None:
    curve = charts.curve("training", "faint", [1, 2, 3], [0.9, 0.4, 0.1])
    panel = charts.panels({"a": [curve]}, "epoch", "loss").panels[0]
    (x1, y1), _, (x2, y2) = panel.curves[0].points
    assert (x1, x2) == (0, 100)
    assert y1 < y2, "SVG counts from the top"
    assert panel.alt == "training loss from 0.900 to 0.100"


def test_unknown_points_are_left_out() -> None:
    curve = charts.curve("v", "plain", [0, 1, 2, 3], [1.0, None, float("nan"), 2.0])
    assert curve.points == [(0.0, 1.0), (3.0, 2.0)]
    assert len(curve.segments) == 1


def test_the_interval_is_the_t_interval() -> None:
    values = [0.81, 0.83, 0.80, 0.86]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert charts.t_interval(values) == pytest.approx(expected)
    assert charts.t_interval([0.8]) is None


def test_every_arm_has_its_seeds_and_their_mean() -> None:
    arms = {"base": {0: 0.8, 1: 0.82, 2: 0.81}, "adapted": {1: 0.84, 2: 0.85}}
    drawn = charts.seed_dots("t", "accuracy", arms, "adapted")
    assert [len(row.dots) for row in drawn.rows] == [3, 2]
    assert [row.value for row in drawn.rows] == ["0.810", "0.845"]
    assert [row.style for row in drawn.rows] == ["plain", "accent"]


def test_only_seeds_of_both_arms_have_a_slope() -> None:
    arms = {"base": {0: 0.8, 1: 0.82, 2: 0.86}, "adapted": {1: 0.84, 2: 0.85}}
    drawn = charts.slopes("t", "accuracy", arms, ("base", "adapted"))
    assert drawn is not None
    rising, falling = drawn.panels[0].curves
    assert (rising.name, falling.name) == ("higher", "not higher")
    assert rising.points[0][1] > rising.points[1][1], "SVG counts from the top"
    assert charts.slopes("t", "accuracy", {"base": {0: 0.8}}, ("base", "adapted")) is None


def test_gains_are_drawn_against_zero_and_the_smallest_effect() -> None:
    main = {"arm": "adapted", "against": "base", "gain": 0.02, "low": -0.01, "high": 0.05}
    other = {"arm": "adapted", "against": "longer", "gain": -0.04}
    drawn = charts.gains("t", "gain", [main, other], 0.01)
    (zero, nothing), (least, smallest) = drawn.marks
    assert (nothing, smallest) == ("no gain", "smallest effect")
    first, second = drawn.rows
    assert first.interval is not None and first.mean is not None and second.mean is not None
    assert second.mean < zero < least < first.mean and first.interval[0] < zero
    assert (first.below, second.interval) == ("over base", None)
    assert len(charts.gains("t", "gain", [main], 0.0).marks) == 1


def test_bars_are_shares_of_one() -> None:
    drawn = charts.bars("t", "F1", {"a": 0.8, "b": 0.4, "c": 0.0})
    assert [row.bar for row in drawn.rows] == [(0, 80), (0, 40), (0, 0)]
    assert drawn.alt == "t: a 0.800, b 0.400, c 0.000"
