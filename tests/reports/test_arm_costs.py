"""Does the report set what every arm costs beside what it brings?"""

from pathlib import Path
from types import SimpleNamespace

from steep.reports.arm_costs import cost_section
from steep.reports.blocks import Panels
from steep.reports.folder import StudyFolder, read_folder
from steep.reports.page import STAGES, write_report
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
