"""Are several quantities a row learnt together, from the command to the report?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Steep = Callable[..., Any]
LEARN = "--label stars,price --task regression --precision fp32 --max-length 32"


@pytest.fixture
def table(tables: Path, tmp_path: Path) -> Path:
    """What is good costs much: two targets in different units."""
    both = pd.read_csv(tables / "regression.csv")
    both["price"] = (1000 + 500 * both["stars"]).round(1)
    both.to_csv(tmp_path / "both.csv", index=False)
    return tmp_path / "both.csv"


def test_each_target_is_learnt_in_its_own_units(
    steep: Steep, table: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    model, told = tmp_path / "model", tmp_path / "p.csv"
    how = "--pooling model --epochs 40 --batch-size 8 --learning-rate 2e-3 --seed 1"
    steep("fit", table, LEARN, how, "--model", tiny_bert, "--out", model)
    results = json.loads((model / "results.json").read_text())
    assert results["metric"] == "r2" and results["task"]["labels"] == ["stars", "price"]
    found = {name: of["value"] for name, of in results["test"]["metrics"].items()}
    assert found["r2"] > 0.5
    for metric in ("rmse", "mae", "spearman", "r2"):
        of_each = [found[f"{metric}_stars"], found[f"{metric}_price"]]
        assert found[metric] == pytest.approx(np.mean(of_each))
    steep("predict", model, table, "--precision fp32 --out", told)
    given, known = pd.read_csv(told), pd.read_csv(table)
    assert list(given.columns) == ["id", "stars", "price"]
    for name in ("stars", "price"):
        assert np.corrcoef(given[name], known[name])[0, 1] > 0.7
        assert given[name].mean() == pytest.approx(known[name].mean(), rel=0.15)
    assert "rmse_price" in steep("evaluate", model, table).stdout
    steep("report", model)
    assert "2 numbers for each text: stars, price" in (model / "README.md").read_text()


def test_a_study_of_several_targets(
    steep: Steep, table: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    config = tmp_path / "study.toml"
    config.write_text("[adapt]\nepochs = 0.2\nmax-length = 32\n")
    how = f"--arms tfidf,base,adapted --keep-going --seeds 2 --epochs 1 --config {config}"
    steep("compare", table, LEARN, how, "--model", tiny_bert, "--out", tmp_path / "study")
    verdict = json.loads((tmp_path / "study" / "verdict.json").read_text())
    assert verdict["metric"] == "r2"
    assert set(verdict["arms"]) == {"tfidf", "base", "adapted"}
    steep("report", tmp_path / "study")


def test_a_cell_that_is_no_number(refused: Callable[..., str], table: Path, tmp_path: Path) -> None:
    text = table.read_text().splitlines()
    text[3] = text[3].rpartition(",")[0] + ",cheap"
    table.write_text("\n".join(text))
    message = refused("fit", table, LEARN, "--model x --out", tmp_path / "no")
    assert "row 3, column 'price': expected a number, not 'cheap'" in message
