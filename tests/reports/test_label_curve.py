"""Does the report show what a study says with fewer labels?"""

from typing import Any

from steep.reports.blocks import Panels
from steep.reports.label_curve import label_curve_section
from steep.run_tables import Table


def budget(count: int, gain: float) -> dict[str, Any]:
    comparison = {"main": True, "gain": gain, "low": gain - 0.01, "high": gain + 0.01}
    arms = {"base": {"mean": 0.7 + count / 1000}, "adapted": {"mean": 0.7 + count / 1000 + gain}}
    found = {"labels": count, "arms": arms, "comparisons": [comparison]}
    return found | {"answer": "yes", "hint": None}


def test_a_row_and_a_point_for_every_budget() -> None:
    worth = [{"at": 50, "labels": 20, "beyond": None}, {"at": 100, "labels": None, "beyond": 100}]
    verdict = {"metric": "macro_f1", "budgets": [budget(50, 0.02), budget(100, 0.03)]}
    section = label_curve_section(verdict | {"worth_labels": worth})
    assert section is not None
    drawn, table = section.blocks
    assert isinstance(drawn, Panels) and isinstance(table, Table)
    assert [len(curve.points) for curve in drawn.panels[0].curves] == [2, 2]
    assert [row[0] for row in table.rows] == ["50", "100"]
    assert [row[-1] for row in table.rows] == ["+20", "> 100"]


def test_one_budget_is_no_curve() -> None:
    assert label_curve_section({"metric": "accuracy", "budgets": [budget(50, 0.02)]}) is None
    assert label_curve_section({"metric": "accuracy"}) is None


def test_what_does_not_hold_after_correction_is_called_a_hint() -> None:
    few = budget(50, 0.02) | {"answer": "cannot tell", "hint": "yes"}
    verdict = {"metric": "accuracy", "budgets": [few, budget(100, 0.03)]}
    section = label_curve_section(verdict)
    assert section is not None
    assert [row[5] for row in section.blocks[1].rows] == ["hint of yes", "yes"]
