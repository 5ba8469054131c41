"""Is fastai's AWD-LSTM an arm of a study as others are, on the same rows?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Steep = Callable[..., Any]


def test_the_awd_lstm_of_fastai_is_an_arm(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tiny_awd: Path, tmp_path: Path
) -> None:
    out, text, config = (tmp_path / name for name in ("study", "more.txt", "study.toml"))
    config.write_text("[adapt]\nmax-length = 32\n")
    held = (tables / "single.csv").read_text().splitlines()[1:]
    text.write_text("a fine film about nothing at all\n" * 40 + "\n".join(x[6:] for x in held))
    options = "--label label --epochs 1 --seeds 2 --learning-rate 2e-3 --label-budgets 40"
    base = ("compare", tables / "single.csv", options, tiny, "--model", tiny_bert)
    words = (*base, "--arms base,adapted,awd-lstm --unlabelled", text, "--config", config)
    empty = tmp_path / "empty"
    empty.mkdir()
    done = steep(*words, "--awd-lstm", empty, "--out", out, code=2)
    assert f"arm awd-lstm: {empty} must hold one file of weights" in done.stderr
    assert not out.exists()
    done = steep(*words, "--awd-lstm", tiny_awd, "--out", out)
    assert "its time is not estimated" in done.stderr
    made = json.loads((out / "awd-lstm" / "steep.json").read_text())
    assert any("are left out" in note for note in made["notes"])  # the texts of the test rows
    study = json.loads((out / "study.json").read_text())
    assert study["args"]["awd_lstm"] == str(tiny_awd)
    for seed in (0, 1):  # on the same label sample and rows as the others
        cells = [out / "cells" / f"{arm}-40-seed{seed}.csv" for arm in ("base", "awd-lstm")]
        rows = [[line.partition(",")[0] for line in p.read_text().splitlines()] for p in cells]
        assert rows[0] == rows[1]
    found = json.loads((out / "verdict.json").read_text())
    assert {(c["arm"], c["against"]) for c in found["comparisons"]} == {
        *(("adapted", "base"), ("adapted", "awd-lstm"), ("awd-lstm", "base")),
    }
    steep("report", out)
    assert "awd-lstm" in (out / "report.html").read_text()
    (out / "cells" / "awd-lstm-40-seed1.json").unlink()
    assert "resum" in steep(*words, "--awd-lstm", tiny_awd, "--out", out).stderr
    again = json.loads((out / "verdict.json").read_text())
    assert again["arms"]["awd-lstm"]["values"] == found["arms"]["awd-lstm"]["values"]
