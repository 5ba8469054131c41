"""Does ONNX predict what torch does, on rows of every length, and is the cost of int8 measured?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steep.errors import SteepError
from steep.openings import EngineArgs
from steep.shelf.export import engine_of

Steep = Callable[..., Any]
Fitted = Callable[[str], Path]
Refused = Callable[..., str]

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="needs the extra 'onnx'")


@pytest.fixture(scope="module")
def exported(
    steep: Steep, fitted: Fitted, tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> Fitted:
    """A function that gives a copy of a fit with its ONNX files, made once."""
    folder = tmp_path_factory.mktemp("exported")

    def give(kind: str) -> Path:
        if not (folder / kind).exists():
            shutil.copytree(fitted(kind), folder / kind)
            steep("export", folder / kind, tables / f"{kind}.csv", "--int8")
        return folder / kind

    return give


@pytest.mark.parametrize("kind", ["multi", "pairs", "regression"])
def test_onnx_and_torch_agree_on_ragged_rows(
    steep: Steep, exported: Fitted, tables: Path, kind: str, tmp_path: Path
) -> None:
    """The whole table in batches of 7: other lengths, and another number of rows, than exported."""
    given = {}
    for engine in ("torch", "onnx", "int8"):
        out = tmp_path / f"{engine}.csv"
        how = f"--engine {engine} --precision fp32 --plain --batch-size 7 --out"
        done = steep("predict", exported(kind), tables / f"{kind}.csv", how, out)
        file = {"onnx": "model.onnx", "int8": "model-int8.onnx"}.get(engine)
        assert ("ONNX Runtime" in done.stderr) == (file is not None)
        assert file is None or f"computing with {file}, " in done.stderr
        assert "rows a second" in done.stderr
        table = pd.read_csv(out, keep_default_na=False)
        assert list(table["id"]) == list(pd.read_csv(tables / f"{kind}.csv")["id"])
        given[engine] = table.drop(columns="id").select_dtypes("number").to_numpy()
    differ = np.ptp(given["torch"], axis=0).max()  # between rows: what a wrong mask would blur
    assert differ > 1e-4
    assert given["onnx"] == pytest.approx(given["torch"], abs=differ / 20)
    assert given["int8"] != pytest.approx(given["torch"], abs=1e-6)


def test_the_cost_of_int8_is_measured_on_rows_without_training(exported: Fitted) -> None:
    found = json.loads((exported("multi") / "export.json").read_text())
    assert found["rows"] == 60
    assert found["engines"]["onnx"]["max_difference"] < 1e-4
    assert found["engines"]["int8"]["max_difference"] > 1e-6
    for loss in found["int8_loss"].values():
        assert loss["difference"] == pytest.approx(loss["int8"] - loss["torch"])
        assert loss["low"] <= loss["high"]
    known = json.loads((exported("multi") / "results.json").read_text())["task"]["labels"]
    assert 0 <= found["int8_changed"] <= 60
    assert len(known) == 6


def test_a_second_export_wants_overwrite(
    steep: Steep, refused: Refused, exported: Fitted, tables: Path
) -> None:
    folder, table = exported("multi"), tables / "multi.csv"
    assert "Add --overwrite" in refused("export", folder, table)
    steep("export", folder, table, "--overwrite --max-rows 5")
    assert json.loads((folder / "export.json").read_text())["rows"] == 5
    steep("export", folder, table, "--overwrite --int8")


def test_a_difference_above_the_tolerance_writes_nothing(
    refused: Refused, fitted: Fitted, tables: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fitted("multi"), folder)
    message = refused("export", folder, tables / "multi.csv", "--tolerance 0")
    assert "more than the tolerance 0; nothing was written" in message
    (folder / "model.onnx").write_text("mine")
    message = refused("export", folder, tables / "multi.csv", "--overwrite")
    assert "model.onnx was not written by Steep, so it is not replaced" in message
    assert (folder / "model.onnx").read_text() == "mine"


def test_what_cannot_be_exported_or_computed(
    refused: Refused, fitted: Fitted, adapted: Path, tables: Path, tmp_path: Path
) -> None:
    table, none = tables / "multi.csv", tmp_path / "none"
    assert str(none) in refused("export", none, table)
    assert "written by 'steep adapt', not 'fit'" in refused("export", adapted, table)
    message = refused("predict", fitted("multi"), table, "--engine onnx --out", tmp_path / "p.csv")
    assert message.strip().endswith("there is no such file. Write it with 'steep export'.")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "ONNX Runtime cannot compute it"),
        (b"garbage", "ONNX Runtime cannot compute it"),
        ("cut", "ONNX Runtime cannot compute it"),
        ("of another fit", "exported from other weights than those in"),
    ],
)
def test_a_broken_file_or_one_of_another_model(
    refused: Refused,
    exported: Fitted,
    tables: Path,
    tmp_path: Path,
    content: bytes | str,
    told: str,
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(exported("multi"), folder)
    if content == "cut":
        content = (folder / "model.onnx").read_bytes()[:5000]
    elif content == "of another fit":
        content = (exported("pairs") / "model.onnx").read_bytes()
    assert isinstance(content, bytes)
    (folder / "model.onnx").write_bytes(content)
    words = (folder, tables / "multi.csv", "--engine onnx --out", tmp_path / "p.csv")
    message = refused("predict", *words)
    assert message.startswith(f"{folder / 'model.onnx'}: {told}")
    assert message.strip().endswith("Export it again.")


def test_a_file_that_does_not_tell_where_it_is_from_is_tried(
    steep: Steep, refused: Refused, exported: Fitted, tables: Path, tmp_path: Path
) -> None:
    """Of an older version: one of another task is found by what it takes and gives."""
    import onnx

    folder = tmp_path / "model"
    shutil.copytree(exported("multi"), folder)
    words = (folder, tables / "multi.csv", "--engine onnx --out", tmp_path / "p.csv")
    for kind in ("pairs", "multi"):
        model = onnx.load(exported(kind) / "model.onnx")
        del model.metadata_props[:]
        onnx.save(model, folder / "model.onnx")
        if kind == "pairs":
            assert "rows of 6 numbers. Export it again." in refused("predict", *words)
        else:
            assert "does not tell which weights" in steep("predict", *words).stderr


def test_an_engine_is_a_function_of_rows(fitted: Fitted, exported: Fitted, tmp_path: Path) -> None:
    assert engine_of(fitted("multi"), EngineArgs(), 7) is None
    assert engine_of(tmp_path / "none", EngineArgs(engine="onnx"), 7) is not None, (
        "predict says what is missing"
    )
    with pytest.raises(SteepError, match=r"model-int8\.onnx: there is no such file"):
        engine_of(fitted("multi"), EngineArgs(engine="int8"), 7)
    engine = engine_of(exported("multi"), EngineArgs(engine="int8"), 7)
    assert engine is not None
    assert engine.options == {"engine": "int8"}
