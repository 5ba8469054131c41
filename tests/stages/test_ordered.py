"""Do near misses count for less where classes have an order, from the command to the results?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Steep = Callable[..., Any]
HOW = "--pooling model --label stars --precision fp32 --max-length 32 --epochs 12 --batch-size 8"


@pytest.fixture
def stars(tables: Path, tmp_path: Path) -> Path:
    """Bad texts have 1 star or, more rarely, 2; good ones 4 or 3."""
    table = pd.read_csv(tables / "single.csv")
    good = table["label"] == "positive"
    inner = np.random.default_rng(0).random(len(table)) < 0.3
    table["stars"] = np.where(good, 4 - inner, 1 + inner)
    table.to_csv(tmp_path / "stars.csv", index=False)
    return tmp_path / "stars.csv"


def test_ordered_classes_are_learnt_and_scored(
    steep: Steep, stars: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    how = (HOW, "--ordered --metric mae --learning-rate 3e-3 --model", tiny_bert)
    steep("fit", stars, *how, "--out", model)
    results = json.loads((model / "results.json").read_text())
    assert results["task"] == {"kind": "single", "labels": ["1", "2", "3", "4"], "ordered": True}
    found = {name: of["value"] for name, of in results["test"]["metrics"].items()}
    assert found["mae"] < 0.7, "0.3 is lost by who knows good from bad, 1.5 by who does not"
    assert found["kappa"] > 0.5
    assert results["test"]["metrics"]["kappa"]["low"] <= found["kappa"]
    shown = steep("evaluate", model, stars).stdout
    assert "kappa" in shown and "mae" in shown
    steep("report", model)
    assert "kappa" in (model / "report.md").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--label label --ordered", "ordered classes are three or more numbers, such as stars"),
        (
            "--label stars --ordered --task regression",
            "ordered: this is a task of kind",
        ),
        ("--label stars --metric kappa", "There is no metric 'kappa' for a single task"),
    ],
)
def test_what_has_no_order(
    refused: Callable[..., str],
    stars: Path,
    tiny_bert: Path,
    tmp_path: Path,
    options: str,
    told: str,
) -> None:
    assert told in refused("fit", stars, options, "--model", tiny_bert, "--out", tmp_path / "no")
