"""Does the benchmark of summaries write each line once, and measure what it says?"""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import summaries
from tests.shelf.summarize.conftest import made


def test_each_line_is_measured_once(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame(made(60, 1)).rename(columns={"highlights": "summary"})
    monkeypatch.setattr(summaries, "SETS", {"cnn": lambda _: table[["id", "article", "summary"]]})
    monkeypatch.setattr(summaries, "cnn", lambda _: table)
    monkeypatch.setattr(summaries, "WORDS", 100)
    given = {"epochs": 1, "precision": "fp32"}
    words = ["summaries", "--data", tmp_path, "--model", tiny_bert, "--out", tmp_path / "out"]
    words += ["--documents", 40, "--seeds", 2, "--step2", 0.5, "--device", "cpu"]
    words += ["--options", json.dumps(given), "--results", tmp_path / "r.json"]
    words += ["--length", 32]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    summaries.main()
    found = json.loads((tmp_path / "r.json").read_text())
    assert set(found) == {"rate", "cnn bounds", "cnn study"}
    assert found["cnn bounds"]["rouge"]["labels"]["rouge1"]["value"] == pytest.approx(100)
    assert {cell["arm"] for cell in found["cnn study"]["cells"]} == {"base", "adapted"}
    assert found["rate"]["steep_per_second"] > 0 < found["rate"]["plain_per_second"]
    summaries.main()
    assert json.loads((tmp_path / "r.json").read_text()) == found
