"""Does a fit on few labels use exactly those, and say what it means?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Steep = Callable[..., Any]


def test_a_fit_on_eight_labels_a_class(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    seen = []
    for name in ("one", "again"):
        out = tmp_path / name
        words = ("fit", tables / "single.csv", "--label label --model", tiny_bert, tiny)
        few = "--shots 8 --head-epochs 2 --epochs 4 --seed 3 --out"
        said = steep(*words, few, out).stderr
        assert "16 of 140 training labels are used, 8 of each class" in said
        assert (
            "20 validation labels are used to measure and choose, more than are trained on" in said
        )
        assert "16 labels make 4 optimiser steps" in said
        assert "--batch-size 8 --epochs 40 makes 80 or more" in said
        seen.append(np.load(out / "seen.npy"))
        assert json.loads((out / "results.json").read_text())["test"]["rows"] == 40
    assert len(seen[0]) == 16
    assert (seen[0] == seen[1]).all()


def test_few_labels_that_cannot_be_are_refused(
    refused: Callable[..., str], tables: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    def said(table: str, options: str) -> str:
        return refused(
            "fit", tables / table, "--model", tiny_bert, options, "--out", tmp_path / "m"
        )

    assert "fewer than 80 training rows" in said("single.csv", "--label label --shots 80")
    assert "regression task" in said("regression.csv", "--label stars --shots 8")
    assert "give one" in said("single.csv", "--label label --shots 8 --label-budget 20")
    assert "give --epochs 4" in said(
        "single.csv", f"--label label --epochs 3 --head-epochs 3 {tiny}"
    )
