"""Do thresholds, temperatures and abstention reach the files, and the commands that read them?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Steep = Callable[..., Any]
Fitted = Callable[[str], Path]
Refused = Callable[..., str]
FIT = "--epochs 4 --learning-rate 5e-3 --valid-share 0.3"


@pytest.fixture(scope="module")
def decided(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, columns: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:  # fmt: skip
    """A function that gives the folder of a calibrated fit with thresholds, made once."""
    folder = tmp_path_factory.mktemp("decided")

    def give(kind: str) -> Path:
        if not (folder / kind).exists():
            files = (tables / f"{kind}.csv", columns[kind], "--model", tiny_bert)
            steep("fit", *files, tiny, FIT, "--threshold f1 --calibrate --out", folder / kind)
        return folder / kind

    return give


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_fit_keeps_its_decisions_and_what_they_changed(decided: Fitted, kind: str) -> None:
    folder = decided(kind)
    saved, results = read(folder / "decisions.json"), read(folder / "results.json")
    assert saved == results["decisions"]
    assert saved["threshold"] == "f1"
    assert saved["rows"] == results["valid"]["rows"] == 60
    named = {"positive"} if kind == "single" else set(results["task"]["labels"])
    assert set(saved["thresholds"]) == named
    f1 = "macro_f1" if kind == "multi" else "accuracy"
    valid = results["valid"]["metrics"][f1]["value"]
    if kind == "multi":  # on the rows that they were chosen on, they cannot do worse
        assert valid >= saved["before"]["valid"][f1]
    assert saved["before"]["test"]["ece"] != results["test"]["calibration"]["ece"]
    assert saved["before"]["test"]["auc"] == pytest.approx(
        results["test"]["metrics"]["auc"]["value"], abs=1e-6
    )
    assert any("optimistic" in note for note in read(folder / "steep.json")["notes"])


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_predictions_are_decided_by_the_saved_thresholds(
    steep: Steep, tables: Path, decided: Fitted, kind: str, tmp_path: Path
) -> None:
    folder, out = decided(kind), tmp_path / "p.csv"
    steep("predict", folder, tables / f"{kind}.csv", "--precision fp32 --out", out)
    given = pd.read_csv(out, keep_default_na=False)
    assert list(given["id"]) == list(pd.read_csv(tables / f"{kind}.csv")["id"])
    thresholds = read(folder / "decisions.json")["thresholds"]
    if kind == "single":
        sure = given["p_positive"] >= thresholds["positive"]
        assert (given["label"] == np.where(sure, "positive", "negative")).all()
    else:
        gaps = given[[*thresholds]] - pd.Series(thresholds)
        names = given[[*thresholds]].columns
        said = ["|".join(names[row >= 0]) for row in gaps.to_numpy()]
        clear = (gaps.abs() > 2e-6).all(axis=1)  # probabilities are written with 6 decimals
        assert clear.mean() > 0.5
        assert list(given["decision"][clear]) == list(pd.Series(said)[clear])
    own = pd.read_csv(folder / "predictions" / "test.csv", keep_default_na=False)
    column = "label" if kind == "single" else "decision"
    assert list(given[column].iloc[own["row"]]) == list(own["predicted"])


def test_evaluate_decides_like_the_fit(
    steep: Steep, tables: Path, decided: Fitted, tmp_path: Path
) -> None:
    folder, part = decided("multi"), tmp_path / "test.csv"
    own = pd.read_csv(folder / "predictions" / "test.csv")
    pd.read_csv(tables / "multi.csv").iloc[own["row"]].to_csv(part, index=False)
    steep("evaluate", folder, part, "--precision fp32 --out", tmp_path / "e")
    found, known = read(tmp_path / "e" / "results.json"), read(folder / "results.json")
    for name in ("macro_f1", "micro_f1", "exact_match"):
        values = [results["test"]["metrics"][name]["value"] for results in (found, known)]
        assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert found["test"]["calibration"]["ece"] == pytest.approx(
        known["test"]["calibration"]["ece"], abs=1e-4
    )


def test_abstaining_leaves_labels_empty_and_is_counted(
    steep: Steep, tables: Path, fitted: Fitted, tmp_path: Path
) -> None:
    out, whole = tmp_path / "p.csv", tables / "single.csv"
    plain = tmp_path / "plain.csv"
    steep("predict", fitted("single"), whole, "--out", plain)
    sure = pd.read_csv(plain)[["p_negative", "p_positive"]].max(axis=1)
    below = f"{sure.quantile(0.3):.5f}"
    done = steep("predict", fitted("single"), whole, "--abstain-below", below, "--out", out)
    given = pd.read_csv(out, keep_default_na=False)
    unsure = given["label"] == ""
    assert (unsure == (given["abstained"] == 1)).all()
    assert 0 < unsure.sum() < 200
    assert f"undecided: {unsure.sum()} of 200 rows" in done.stderr
    shown = steep("evaluate", fitted("single"), whole, "--abstain-below", below)
    assert f"answered {200 - unsure.sum()} rows" in shown.stdout


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("single", "--threshold f2", "threshold 'f2': expected 'f1'"),
        ("single", "--threshold cost:1", "threshold 'cost:1': expected 'f1'"),
        ("regression", "--threshold f1", "a regression predicts a quantity"),
        ("regression", "--calibrate", "a regression has no probabilities"),
    ],
)
def test_decisions_that_cannot_be_made(
    refused: Refused, tables: Path, tiny_bert: Path, columns: dict[str, str], tmp_path: Path,
    kind: str, options: str, message: str,
) -> None:  # fmt: skip
    files = (tables / f"{kind}.csv", columns[kind], "--model", tiny_bert, "--max-length 32")
    assert message in refused("fit", *files, options, "--out", tmp_path / "m")


def test_a_regression_cannot_abstain(
    refused: Refused, tables: Path, fitted: Fitted, tmp_path: Path
) -> None:
    words = (fitted("regression"), tables / "regression.csv", "--abstain-below 0.8")
    message = refused("predict", *words, "--out", tmp_path / "p.csv")
    assert "a regression has no confidence" in message


def test_broken_decisions_name_their_file(
    refused: Refused, tables: Path, decided: Fitted, tmp_path: Path
) -> None:
    path = decided("single") / "decisions.json"
    before = path.read_text()
    path.write_text('{"thresholds": {"other": 0.3}, "temperatures": 1.5}')
    try:
        message = refused("predict", path.parent, tables / "single.csv", "--out", tmp_path / "p")
    finally:
        path.write_text(before)
    assert f"{path}: the key 'thresholds.positive' is missing" in message
