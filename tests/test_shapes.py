"""Does a shape let pass what was declared, and name the key of whatever else there is?"""

import math
from pathlib import Path
from typing import Any

import pytest

from steep.errors import SteepError
from steep.shapes import Choice, Each, Keyed, Maybe, Names, Number, checked, shown

COUNT, SHARE = Number(0, 100, whole=True), Number(0, 1)
SHAPE = {
    "task": {"kind": Choice(("single", "multi")), "labels": Names()},
    "rows": COUNT,
    "scores": Each({"value": SHARE, "low?": Maybe(SHARE)}),
    "pairs": [(str, Number(finite=False))],
    "new_head?": bool,
    "thresholds?": Keyed(("a", "why?"), SHARE),
}
GOOD: dict[str, Any] = {
    "task": {"kind": "multi", "labels": ["a", "why?"]},
    "rows": 3,
    "scores": {"accuracy": {"value": 1, "low": None}, "auc": {"value": 0.5}},
    "pairs": [["word", math.nan], ["other", -math.inf]],
    "thresholds": {"a": 0.5, "why?": 1, "b": "of nobody's interest"},
    "of another version": [1],
}


def test_what_was_declared_passes_as_it_is() -> None:
    assert checked(GOOD, SHAPE, Path("r.json"), "") is GOOD


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"task": None}, "the key 'task' must be an object, not null"),
        ({"task": {"labels": ["a"]}}, "the key 'task.kind' is missing"),
        (
            {"task": {"kind": "x", "labels": ["a"]}},
            "'task.kind' must be one of single, multi, not 'x'",
        ),
        (
            {"task": {"kind": "multi", "labels": []}},
            "must be a list of different texts, not a list of 0",
        ),
        ({"task": {"kind": "multi", "labels": ["a", "a"]}}, "must be a list of different texts"),
        ({"task": {"kind": "multi", "labels": ["a", 1]}}, "must be a list of different texts"),
        ({"rows": 1.5}, "the key 'rows' must be a whole number from 0 to 100, not 1.5"),
        ({"rows": True}, "the key 'rows' must be a whole number from 0 to 100, not true"),
        ({"rows": -1}, "the key 'rows' must be a whole number from 0 to 100, not -1"),
        ({"scores": []}, "the key 'scores' must be an object, not a list of 0"),
        (
            {"scores": {"f1": {"value": math.nan}}},
            "'scores.f1.value' must be a number from 0 to 1, not NaN",
        ),
        ({"scores": {"f1": {"low": 1}}}, "the key 'scores.f1.value' is missing"),
        ({"scores": {"x" * 999: 1}}, "the key 'scores.xxx"),
        ({"pairs": [["word"]]}, r"the key 'pairs\[0\]' must be a list of 2, not a list of 1"),
        ({"pairs": [["a", 1], ["b", "c"]]}, r"the key 'pairs\[1\]\[1\]' must be a number, not 'c'"),
        ({"pairs": {"a": 1}}, "the key 'pairs' must be a list, not an object of 1"),
        ({"new_head": "yes"}, "the key 'new_head' must be true or false, not 'yes'"),
        ({"thresholds": {"a": 0.5}}, r"the key 'thresholds.why\?' is missing"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(edit: dict[str, Any], told: str) -> None:
    with pytest.raises(SteepError, match=told) as refused:
        checked(GOOD | edit, SHAPE, Path("m/r.json"), "Fix it.")
    message = str(refused.value)
    assert message.startswith("m/r.json: ") and message.endswith(" Fix it.")
    assert len(message) < 250


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (1, "1"),
        ("a\nb", r"'a\nb'"),
        ({"a": 1}, "an object of 1"),
        (1e300, "1e+300"),
    ],
)
def test_values_are_shown_in_brief(value: Any, told: str) -> None:
    assert shown(value) == told


@pytest.mark.parametrize("number", [1e101, -1e101, 10**200, 10**29])
def test_numbers_that_cannot_be_drawn_are_refused(number: float) -> None:
    assert not Number().fits(number) and not Number(finite=False).fits(number)
