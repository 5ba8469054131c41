"""Does `steep adapt --probe` ask the labels, and show what they say?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Steep = Callable[..., Any]


@pytest.mark.parametrize("kind", ["single", "multi", "regression", "pairs"])
def test_the_curve_is_in_history_results_and_report(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tiny: str, kind: str, tmp_path: Path
) -> None:
    out = tmp_path / "adapted"
    files = (tables / f"{kind}.csv", columns[kind], "--model", tiny_bert, tiny)
    shown = steep("adapt", *files, "--probe --best-by probe --epochs 2 --out", out)
    results = json.loads((out / "results.json").read_text())
    curve = pd.read_csv(out / "history.csv")["probe"]
    assert results["probe_rows"] == [140, 20]
    assert results["probe"]["before"] == pytest.approx(curve[0])
    best = curve[1:].min() if results["probe_metric"] == "rmse" else curve[1:].max()
    assert results["probe"]["after"] == pytest.approx(best)
    assert f"probe ({results['probe_metric']} on 20 validation rows)" in shown.stderr
    worse = best > curve[0] if results["probe_metric"] == "rmse" else best < curve[0]
    assert ("step 2 did not help" in shown.stderr) is bool(worse)
    steep("report", out)
    assert "validation rows" in (out / "report.html").read_text()


def test_what_a_probe_needs_is_said(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tmp_path: Path
) -> None:
    file, asked = tables / "single.csv", ("--model", tiny_bert, "--probe --out", tmp_path / "no")
    found = steep("adapt", file, "--text text", *asked, code=2).output
    assert "name the column of labels with --label" in found
    found = steep("adapt", file, columns["single"], *asked, "--valid-share 0", code=2).output
    assert "leave valid_share above 0" in found
    assert not (tmp_path / "no").exists()
