"""Do the pictures of a fit show its classes and thresholds, and nothing that would mislead?"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steep import runs
from steep.reports import pictures
from steep.reports.blocks import Dots, Panels, Section
from steep.reports.page import write_report

CALIBRATION = {
    "ece": 0.05,
    "reliability": [
        {"cells": 40, "promised": 0.6, "true": 0.5},
        {"cells": 60, "promised": 0.9, "true": 0.95},
        {"cells": 2, "promised": 0.3, "true": 1.0},
    ],
}


def classes(count: int) -> dict[str, Any]:
    return {"per_class": [{"label": f"c{i}", "f1": i / count} for i in range(count)]}


def test_bars_are_sorted_and_many_are_the_best_and_the_worst() -> None:
    few, many = (pictures.class_bars(classes(count), "test") for count in (4, 50))
    assert isinstance(few, Dots) and isinstance(many, Dots)
    assert [row.name for row in few.rows] == ["c3", "c2", "c1", "c0"] and not few.note
    assert len(many.rows) == 2 * pictures.EITHER
    assert (many.rows[0].name, many.rows[-1].name) == ("c49", "c0")
    assert many.note == "The 15 best and the 15 worst of 50 classes."
    assert pictures.class_bars(classes(2), "test") is None


def test_lengths_are_drawn_against_the_cut() -> None:
    found = {"lengths": {"cut": 64, "percentiles": [3, 20, 80, 200]}}
    (panel,) = drawn(pictures.lengths_section(found)).values()
    cut, texts = panel.curves
    heights = [y for _, y in texts.points]  # from above
    assert cut.points == [(0.0, cut.points[0][1]), (100.0, cut.points[0][1])]
    assert [y < cut.points[0][1] for y in heights] == [False, False, True, True]
    assert pictures.lengths_section({"lengths": {"cut": 64, "percentiles": [3, 64]}}) is None
    assert pictures.lengths_section({}) is None


def drawn(section: Section | None) -> dict[str, Any]:
    assert section is not None and isinstance(section.blocks[0], Panels)
    return {panel.title: panel for panel in section.blocks[0].panels}


def test_reliability_leaves_out_bins_of_a_few() -> None:
    task = {"kind": "single", "labels": ["a", "b", "c"]}
    section = pictures.probabilities_section({"calibration": CALIBRATION}, None, task, None)
    panel = drawn(section)["Reliability"]
    perfect, model = panel.curves
    assert len(model.points) == 2 and len(perfect.points) == 2
    assert pictures.probabilities_section({}, None, task, None) is None


def test_the_threshold_lies_where_its_precision_and_recall_are() -> None:
    table = pd.DataFrame({"truth": ["b", "b", "a", "b", "a", "a"]})
    table["p_b"] = [0.9, 0.8, 0.7, 0.6, 0.2, 0.1]
    table["p_a"] = 1 - table["p_b"]
    task = {"kind": "single", "labels": ["a", "b"]}
    for decisions, recall in ((None, 1.0), ({"thresholds": {"b": 0.75}}, 2 / 3)):
        curve, mark = drawn(pictures.probabilities_section({}, table, task, decisions))["b"].curves
        assert len(curve.points) == 6
        assert mark.label == ("0.50" if decisions is None else "0.75")
        found = curve.points[0][0] + mark.points[0][0] / 100 * (1 - 1 / 3) + 1 / 3
        assert found == pytest.approx(recall, abs=1e-3), "the axis is from 1/3 to 1"


def test_of_many_labels_the_six_most_frequent_have_a_drawing() -> None:
    labels = [f"l{i}" for i in range(9)]
    true = np.arange(40)[:, None] < np.arange(1, 10) * 4
    truth = ["|".join(name for name, on in zip(labels, row, strict=True) if on) for row in true]
    scores = {f"p_{name}": np.linspace(1, 0, 40) for name in labels}
    table = pd.DataFrame({"truth": truth} | scores)
    section = pictures.probabilities_section({}, table, {"kind": "multi", "labels": labels}, None)
    assert list(drawn(section)) == ["l8", "l7", "l6", "l5", "l4", "l3"]
    assert section is not None and "the 6 most frequent of 9 labels" in section.lead


@pytest.mark.parametrize("skill", [True, False])
def test_of_a_model_without_skill_little_is_shown(
    make: SimpleNamespace, tmp_path: Path, skill: bool
) -> None:
    folder = make.fit(tmp_path / "model")
    results = runs.read_json(folder / runs.RESULTS)
    gain = {"value": 0.8, "gain": 0.1, "low": -0.1, "high": 0.2}
    baselines = {"constant": gain, "word_counts": dict.fromkeys(gain)}
    results["test"] |= {"calibration": CALIBRATION}
    results["test"]["compared"] = {"metric": "accuracy", "skill": skill, "baselines": baselines}
    runs.write_json(folder / runs.RESULTS, results)
    target = write_report(folder)
    page, twin = target.read_text("utf-8"), target.with_suffix(".md").read_text("utf-8")
    assert ('class="answer muted"' in page) is not skill
    for shown in (page, twin):
        assert ("Reliability (calibration error 0.050)" in shown) is skill
        assert ("Suspected label errors" in shown) is skill
        assert ("they would only mislead" in shown) is not skill
        assert "always predicting the most frequent class" in shown
    assert twin.startswith("# How good is the model? Not clearly better than chance\n") is not skill
