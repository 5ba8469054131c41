"""Do fit, evaluate, compare and check keep rows that belong together, and count them as one?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steep.reports.page import write_report

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]


@pytest.fixture(scope="module")
def grouped(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of single labels, ten rows a document."""
    table = pd.read_csv(tables / "single.csv")
    path = tmp_path_factory.mktemp("grouped") / "grouped.csv"
    table.assign(doc=[f"d{row // 10}" for row in range(len(table))]).to_csv(path, index=False)
    return path


def test_a_fit_and_its_evaluation_count_documents(
    steep: Steep, grouped: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    out, again, files = tmp_path / "m", tmp_path / "e", ("--model", tiny_bert)
    options = "--label label --group doc --epochs 1 --out"
    said = steep("fit", grouped, *files, tiny, options, out).stderr
    assert "groups of rows that belong together, by column 'doc'" in said
    predictions = {p: pd.read_csv(out / "predictions" / f"{p}.csv") for p in ("valid", "test")}
    assert not {*predictions["valid"]["group"]} & {*predictions["test"]["group"]}
    known = json.loads((out / "steep.json").read_text())["data"]["groups"]
    assert known["parts"]["test"]["groups"] == predictions["test"]["group"].nunique()
    page = write_report(out).with_suffix(".md").read_text(encoding="utf-8")
    assert "Rows that belong together" in page and "No row was left out for this." in page
    ungrouped = steep("evaluate", out, grouped, "--device cpu").stderr
    assert "rows count as independent; the model was fitted with --group doc" in ungrouped
    steep("evaluate", out, grouped, "--device cpu --group doc --out", again)
    alone = json.loads((again / "results.json").read_text())["test"]["metrics"]["log_loss"]
    assert alone["low"] < alone["value"] < alone["high"]
    assert "group" in pd.read_csv(again / "predictions" / "test.csv")
    assert "Rows that belong together" in write_report(again).with_suffix(".md").read_text(
        encoding="utf-8"
    )


def test_a_study_counts_documents_and_another_column_is_another_study(
    steep: Steep, base: Words, grouped: Path, tmp_path: Path
) -> None:
    words: Words = ("compare", grouped, *base[2:], "--out", tmp_path / "s")
    steep(*words, "--group doc")
    verdict = json.loads((tmp_path / "s" / "verdict.json").read_text())
    assert 2 <= verdict["groups"] < 20 and verdict["rests_on"]["what"] == "groups of rows"
    assert any("groups of rows" in warning for warning in verdict["warnings"])
    assert any("--step2-per-seed covers it" in warning for warning in verdict["warnings"])
    for cell in (tmp_path / "s" / "cells").glob("*.csv"):
        assert pd.read_csv(cell)["group"].nunique() == verdict["groups"]
    steep(*words, "--group doc")
    assert "other options (group)" in steep(*words, code=2).stderr


def test_check_asks_for_groups(steep: Steep, grouped: Path, tmp_path: Path) -> None:
    table = pd.read_csv(grouped)
    table["id"] = [f"doc{row // 10}_s{row % 10}" for row in range(len(table))]
    table.to_csv(tmp_path / "t.csv", index=False)
    said = steep("check", tmp_path / "t.csv", "--label label").stdout
    assert "name the column of the document, author, thread or template with --group" in said
    said = steep("check", tmp_path / "t.csv", "--label label --group doc").stdout
    assert "with --group" not in said and "groups of rows that belong together" in said


def test_one_group_only_is_refused(steep: Steep, grouped: Path, tmp_path: Path) -> None:
    pd.read_csv(grouped).assign(doc="one").to_csv(tmp_path / "t.csv", index=False)
    said = steep("check", tmp_path / "t.csv", "--label label --group doc", code=2).stderr
    assert "are of one group ('one')" in said
