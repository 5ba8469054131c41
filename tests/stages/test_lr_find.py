"""Does `steep lr-find` suggest a rate, leave nothing behind, and say when not to believe it?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steep.args import LrFindArgs
from steep.stages.lr_find import _warnings
from steep.train.finder import Curve

Steep = Callable[..., Any]


def test_a_rate_is_suggested_and_the_same_again(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    how = (columns["single"], "--model", tiny_bert, tiny, "--highest 0.1 --steps 40 --curves 2")
    before = {path: path.read_bytes() for path in tiny_bert.iterdir()}
    shown = steep("lr-find", tables / "single.csv", *how, "--result", tmp_path / "lr.json")
    found = json.loads((tmp_path / "lr.json").read_text())
    assert f"suggested: --learning-rate {found['learning_rate']:.1e}" in shown.stdout
    assert [curve["seed"] for curve in found["curves"]] == [0, 1]
    for curve in found["curves"]:
        assert curve["rates"][0] == pytest.approx(1e-6)
        assert len(curve["rates"]) == len(curve["losses"]) <= 40
        assert 1e-6 < curve["suggested"] < 0.1
    assert found["curves"][0]["losses"] != found["curves"][1]["losses"]
    again = steep("lr-find", tables / "single.csv", *how)
    assert again.stdout == shown.stdout
    assert {path: path.read_bytes() for path in tiny_bert.iterdir()} == before
    assert not (tables / "models").exists()


def curve(suggested: float, fall: float = 0.5) -> Curve:
    return Curve(0, [1e-6, 1e-2], [1.0, 1 - fall], suggested, fall)


def test_curves_that_are_no_guide_are_said_to_be_none() -> None:
    args = LrFindArgs(steps=20, batch_size=10)
    assert _warnings([curve(1e-4), curve(2e-4)], args, rows=200) == []
    (apart,) = _warnings([curve(1e-5), curve(1e-4)], args, rows=200)
    assert "differ by a factor of 10.0" in apart
    (flat,) = _warnings([curve(1e-4, fall=0.02), curve(1e-4)], args, rows=200)
    assert "in 1 of 2 curves" in flat
    (often,) = _warnings([curve(1e-4), curve(1e-4)], args, rows=20)
    assert "read 10 times" in often
    (single,) = _warnings([curve(1e-4)], args, rows=200)
    assert "--curves 3" in single


def test_what_cannot_be_searched(refused: Callable[..., str], tables: Path, columns: dict) -> None:
    table = tables / "single.csv"
    message = refused("lr-find", table, columns["single"], "--model x --lowest 1 --highest 0.1")
    assert "lowest 1 is not below highest 0.1" in message
    assert "Name a checkpoint" in refused("lr-find", table, columns["single"])
