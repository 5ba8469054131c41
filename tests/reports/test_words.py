"""Are numbers written as a reader expects them?"""

import math

import pytest

from steep.reports import words


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_a_dash(value: float | None) -> None:
    assert words.number(value) == words.count(value) == words.NOTHING


def test_numbers_have_fixed_decimals_and_a_true_minus() -> None:
    assert words.number(0.5) == "0.500"
    assert words.number(-0.0214, sign=True) == "\u22120.021"
    assert words.number(0.0214, sign=True) == "+0.021"
    assert words.count(1234567.4) == "1,234,567"
    assert words.span(0.1, None) == words.NOTHING


def test_small_chances_are_bounded() -> None:
    assert words.chance(0.00004) == "< 0.001"
    assert words.chance(0.0314) == "0.031"
    assert words.chance(None) == words.NOTHING


@pytest.mark.parametrize(
    ("seconds", "said"), [(3.14, "3.1 s"), (75, "75 s"), (741, "12.3 min"), (7200, "2.0 h")]
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_names_and_counts_are_words() -> None:
    assert words.plain("macro_f1") == "macro F1"
    assert words.capital("macro F1") == "Macro F1"
    assert [words.counted(n, "class") for n in (0, 1, 2)] == ["0 classes", "1 class", "2 classes"]
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
