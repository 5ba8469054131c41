"""Are probabilities learnt as they are, from the command to the results?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Steep = Callable[..., Any]
TRAINING = (
    "--pooling model --soft --epochs 25 --batch-size 8 --learning-rate 3e-3 "
    "--schedule linear --layer-decay 1"
)


@pytest.fixture
def shares(tables: Path, tmp_path: Path) -> Path:
    """Every negative text is toxic to 3 of 4 raters, every positive one to 1 of 10."""
    table = pd.read_csv(tables / "single.csv")
    table["toxic"] = np.where(table["label"] == "negative", 0.75, 0.1)
    table["odd"] = 1 - table["toxic"]
    table["rare"] = 0.3
    table.to_csv(tmp_path / "shares.csv", index=False)
    return tmp_path / "shares.csv"


@pytest.mark.parametrize("label", ["toxic", "odd,toxic", "toxic,rare"])
def test_the_model_says_what_the_raters_say(
    steep: Steep, shares: Path, tiny_bert: Path, tiny: str, tmp_path: Path, label: str
) -> None:
    out, told = tmp_path / "model", tmp_path / "p.csv"
    steep("fit", shares, "--label", label, TRAINING, tiny, "--model", tiny_bert, "--out", out)
    steep("predict", out, shares, "--precision fp32 --out", told)
    found, table = pd.read_csv(told), pd.read_csv(shares)
    column = "toxic" if "rare" in label else "p_toxic"
    # with labels of 0 and 1 these means would be near 1 and 0
    assert found[column][table["toxic"] == 0.75].mean() == pytest.approx(0.75, abs=0.08)
    assert found[column][table["toxic"] == 0.1].mean() == pytest.approx(0.1, abs=0.08)
    results = json.loads((out / "results.json").read_text())
    if "rare" not in label:
        assert results["test"]["metrics"]["accuracy"]["value"] > 0.9
    scored = steep("evaluate", out, shares).stdout
    assert "log_loss" in scored
