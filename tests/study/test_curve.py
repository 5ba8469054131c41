"""Is step 2 counted in labels only where the curve allows it?"""

from typing import Any

import pytest

from steep.study.verdict import labels_worth


def part(labels: int | None, base: float | None, adapted: float | None) -> dict[str, Any]:
    return {"labels": labels, "arms": {"base": {"mean": base}, "adapted": {"mean": adapted}}}


def test_between_two_budgets_it_is_linear_in_the_logarithm() -> None:
    found = labels_worth([part(100, 0.6, 0.7), part(400, 0.8, 0.8)], True)
    assert found == [{"at": 100, "labels": 100, "beyond": None}]  # 200 = sqrt(100 x 400)


def test_lower_may_be_better() -> None:
    found = labels_worth([part(100, 0.4, 0.3), part(400, 0.2, 0.1)], False)
    assert found[0] == {"at": 100, "labels": 100, "beyond": None}
    assert found[1] == {"at": 400, "labels": None, "beyond": 400}


@pytest.mark.parametrize(
    "parts",
    [
        [part(100, 0.6, 0.7)],
        [part(100, 0.6, 0.7), part(None, 0.8, 0.9)],
        [part(100, 0.6, 0.7), part(200, 0.6, 0.7)],
        [part(100, None, 0.7), part(200, 0.6, 0.7)],
        [part(100, 0.6, 0.6), part(200, 0.7, 0.6)],
    ],
    ids=["one budget", "all labels", "flat", "diverged", "no gain"],
)
def test_where_nothing_can_be_read_off_nothing_is_said(parts: list[dict[str, Any]]) -> None:
    assert labels_worth(parts, True) == []
