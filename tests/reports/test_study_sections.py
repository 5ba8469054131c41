"""Does the report say what arms cost and bring, how certain that is, and what of fewer labels?"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steep.reports.blocks import Facts, Panels
from steep.reports.folder import StudyFolder, read_folder
from steep.reports.page import STAGES, write_report
from steep.reports.study_sections import certainty_section, cost_section, label_curve_section
from steep.run_tables import Table


def test_an_arm_that_starts_from_step_2_costs_it_as_well(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    study = read_folder(make.study(tmp_path / "study"), STAGES)
    assert isinstance(study, StudyFolder) and study.verdict is not None
    section = cost_section(study, study.verdict)
    assert section is not None
    drawn, table = section.blocks
    assert isinstance(drawn, Panels) and isinstance(table, Table)
    base, adapted = table.rows[1:]
    assert base[:4] == ("base", "3.0 min", "–", "3.0 min")
    assert adapted[:4] == ("adapted", "3.0 min", "12.3 min", "15.4 min")
    assert adapted[4].startswith("+0.0")
    at = {curve.label: curve.points[0] for curve in drawn.panels[0].curves}
    assert at["adapted"][0] > at["base"][0] > at["tfidf"][0]
    assert at["adapted"][1] < at["tfidf"][1]  # heights are counted from above


def test_an_arm_that_shares_a_step_2_costs_it_as_well(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    study = read_folder(make.study(tmp_path / "study"), STAGES)
    assert isinstance(study, StudyFolder) and study.verdict is not None
    study.manifest["step2"] = {"adapted": "adapted", "base": "adapted"}
    section = cost_section(study, study.verdict)
    assert section is not None
    table = section.blocks[1]
    assert isinstance(table, Table)
    assert table.rows[1][:4] == ("base", "3.0 min", "12.3 min", "15.4 min")


def test_the_page_labels_the_arms_and_shows_both_curves_of_step_2(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    path = write_report(make.study(tmp_path / "study"))
    page, twin = (path.with_suffix(end).read_text(encoding="utf-8") for end in (".html", ".md"))
    for text in (page, twin):
        assert "How certain is it?" in text
        assert "Cost and result" in text
        assert "Accuracy on validation rows, mean over seeds" in text
    assert "adapted accuracy 0.933 at 15.4" in twin


CERTAIN = {
    "arm": "adapted",
    "against": "base",
    "low": -0.01,
    "differences": [0.01] * 5,
    "probability": 0.9,
    "minimum_detectable": 0.025,
    "seeds_needed": 12,
    "bottleneck": "seeds",
    "se_seeds": 0.004,
    "se_rows": 0.002,
}


def told(smallest_effect: float = 0.0, **changed: Any) -> list[str]:
    found = {"metric": "macro_f1", "smallest_effect": smallest_effect}
    section = certainty_section(found | {"comparisons": [CERTAIN | changed]})
    assert section is not None
    (facts,) = section.blocks
    assert isinstance(facts, Facts)
    return [f"{name}: {value}" for name, value in facts.items]


def test_probability_detectable_gain_and_seeds_are_said() -> None:
    assert told() == [
        "Probability that step 2 brings any gain: 90 %",
        "Smallest gain in macro F1 that 8 of 10 studies of this size detect: 0.025",
        "Further seeds needed to detect the observed gain as reliably: 7 (12 seeds in all)",
        "Main source of uncertainty: the seeds (standard errors: seeds 0.004, rows 0.002)",
    ]
    assert "a gain above 0.010" in told(0.01)[0]


@pytest.mark.parametrize(
    ("needed", "bottleneck", "said"),
    [
        (5, "seeds", "none"),
        (None, "rows", "more test rows might"),
        (None, "seeds", "more seeds will not settle this"),
    ],
)
def test_what_would_settle_it(needed: int | None, bottleneck: str, said: str) -> None:
    assert told(seeds_needed=needed, bottleneck=bottleneck)[2].endswith(said)


def test_no_probability_is_certain() -> None:
    assert told(probability=1.0)[0].endswith(": 99.9 %")
    assert told(probability=0.0)[0].endswith(": 0.1 %")


def test_without_an_interval_nothing_is_said() -> None:
    assert (
        certainty_section({"metric": "accuracy", "comparisons": [CERTAIN | {"low": None}]}) is None
    )
    assert certainty_section({"arms": {}}) is None


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
