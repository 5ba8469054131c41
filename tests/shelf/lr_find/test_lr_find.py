"""Does `steep lr-find` suggest a rate, leave nothing behind, and say if it is reliable?"""

import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steep.args.training import LayerArgs, OptimiserArgs
from steep.errors import SteepError
from steep.options import as_mapping, make, options_of
from steep.shelf.lr_find import LrFindArgs
from steep.shelf.lr_find.lr_find import _warnings
from steep.train.lr_find import LrCurve, lr_curve

Steep = Callable[..., Any]


def test_a_rate_is_suggested_and_the_same_again(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    how = (
        columns["single"],
        "--model",
        tiny_bert,
        tiny,
        "--end-lr 0.1 --curve-steps 40 --curves 2",
    )
    before = {path: path.read_bytes() for path in tiny_bert.iterdir()}
    shown = steep("lr-find", tables / "single.csv", *how, "--out", tmp_path / "lr.json")
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


@pytest.mark.parametrize("losses", [[1.0, math.nan, 2.0], [math.inf], [1.0] * 7])
def test_a_curve_that_diverges_at_once_is_told(losses: list[float]) -> None:
    learn = SimpleNamespace(no_bar=nullcontext, lr_find=lambda *_, **__: None)
    learn.recorder = SimpleNamespace(losses=losses, lrs=[9.0] * len(losses))
    with pytest.raises(SteepError, match="too early for a curve. Choose a start_lr far below 9"):
        lr_curve(learn, 9.0, 10.0, 20, 0)  # type: ignore[arg-type]


def curve(suggested: float, fall: float = 0.5) -> LrCurve:
    return LrCurve(0, [1e-6, 1e-2], [1.0, 1 - fall], suggested, fall)


def test_curves_that_are_not_reliable_are_said_to_be_so() -> None:
    how = {"steps": 20, "batch_size": 10}
    assert _warnings([curve(1e-4), curve(2e-4)], **how, rows=200) == []
    (apart,) = _warnings([curve(1e-5), curve(1e-4)], **how, rows=200)
    assert "differ by a factor of 10.0" in apart
    (flat,) = _warnings([curve(1e-4, fall=0.02), curve(1e-4)], **how, rows=200)
    assert "in 1 of 2 curves" in flat
    (often,) = _warnings([curve(1e-4), curve(1e-4)], **how, rows=20)
    assert "reads 20 rows 10 times" in often
    (single,) = _warnings([curve(1e-4)], **how, rows=200)
    assert "--curves 3" in single


def test_what_cannot_be_searched(
    refused: Callable[..., str], tables: Path, columns: dict, tmp_path: Path
) -> None:
    table = tables / "single.csv"
    message = refused("lr-find", table, columns["single"], "--model x --start-lr 1 --end-lr 0.1")
    assert "start_lr 1 is not below end_lr 0.1" in message
    assert "Name a checkpoint" in refused("lr-find", table, columns["single"])
    there = tmp_path / "lr.json"
    there.write_text("{}")
    assert "add --overwrite" in refused("lr-find", table, columns["single"], "--out", there)


def test_its_options_are_those_of_fit() -> None:
    args = make(LrFindArgs, pooling="mean", reinit_layers=1, max_grad_norm=2.0, shots=4, seed=3)
    known = as_mapping(args)
    fitting = as_mapping(args.as_fit())
    shared = known.keys() & fitting.keys()
    assert {name: fitting[name] for name in shared} == {name: known[name] for name in shared}
    assert known.keys() - shared == {"start_lr", "end_lr", "curves", "curve_steps"}
    here = {one.name: (one.default, one.metadata) for one in options_of(LrFindArgs)}
    for kind in (LayerArgs, OptimiserArgs):
        for one in options_of(kind):
            assert here.get(one.name, (one.default, one.metadata)) == (one.default, one.metadata)
