"""Does one encoder learn from several tables, and is it a start for a fit?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file

from steep.models.hub import POOLING
from steep.options import make
from steep.shelf.multitask import MultitaskArgs
from steep.shelf.multitask.multitask import read_sets

Steep = Callable[..., Any]
SHORT = "--max-length 32 --device cpu --precision fp32"
COLUMNS = "--text text --label label --text text --label stars"


def numbers(folder: Path) -> dict[str, Any]:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def both(
    steep: Steep, tables: Path, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The shared encoder of the tables of classes and of numbers; its start is of sentences."""
    work = tmp_path_factory.mktemp("multitask")
    out, learning, start = work / "both", "--epochs 12 --learning-rate 5e-3", work / "sentences"
    shutil.copytree(tiny_bert, start)
    (start / POOLING).parent.mkdir()
    (start / POOLING).write_text('{"pooling_mode": "mean"}')
    files = (tables / "single.csv", tables / "regression.csv")
    steep("multitask", *files, f"{COLUMNS} --model", start, SHORT, learning, "--out", out)
    return out


def test_it_learns_both_tables(both: Path) -> None:
    history = pd.read_csv(both / "history.csv")
    assert len(history) == 12
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    sets = json.loads((both / "results.json").read_text())["sets"]
    assert sets["single"]["task"] == {"kind": "single", "labels": ["negative", "positive"]}
    assert sets["single"]["metric"] == "accuracy"
    assert sets["single"]["valid"] == history["single accuracy"].iloc[-1] > 0.6
    assert sets["regression"]["task"]["kind"] == "regression"
    notes = json.loads((both / "steep.json").read_text())["notes"]
    assert any("batches are drawn at random: single 5" in note for note in notes)
    out = 140 - sets["single"]["rows"]  # the two tables have the same texts, split otherwise
    assert out > 0
    assert f"single: {out} training rows are left out: another table holds out their text" in notes


def test_it_stays_a_checkpoint_of_sentence_transformers(both: Path) -> None:
    assert (both / POOLING).read_text() == '{"pooling_mode": "mean"}'


def test_a_fit_starts_from_it_and_knows_what_it_saw(
    both: Path, steep: Steep, tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fit"
    rates = "--pooling model --learning-rate 1e-9 --weight-decay 0 --epochs 1"
    steep("fit", tables / "single.csv", "--label label --model", both, SHORT, rates, "--out", out)
    start, end = numbers(both), numbers(out)
    shared = [name for name in end if name.removeprefix("bert.") in start]
    assert len(shared) == len(start), "pooler included"
    for name in shared:
        assert abs(end[name] - start[name.removeprefix("bert.")]).max() < 1e-5, name
    notes = " ".join(json.loads((out / "steep.json").read_text())["notes"])
    assert "transductive" not in notes, "the same split: nothing held out was seen"
    other = "--split-seed 5"
    steep(
        "fit", tables / "single.csv", "--label label --model", both, SHORT, rates, other, "--out",
        tmp_path / "other",
    )  # fmt: skip
    notes = " ".join(json.loads((tmp_path / "other" / "steep.json").read_text())["notes"])
    assert "transductive: the start saw the text of" in notes


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        (["single"], "--label label", "two tables or more"),
        (["single", "single"], "--label label", "have one name"),
        (["single", "pairs"], "--label a --label b --label c", "--label is given 3 times for 2"),
        (["single", "multi"], "--label label", "multi.csv"),
        (["single", "regression"], "--text text", "--label is given 0 times"),
        (["single", "regression"], f"{COLUMNS} --valid-share 0", "valid_share 0"),
    ],
)
def test_what_does_not_go_together_is_told(
    steep: Steep,
    tables: Path,
    tiny_bert: Path,
    tmp_path: Path,
    files: list[str],
    options: str,
    said: str,
) -> None:
    paths = [tables / f"{name}.csv" for name in files]
    done = steep(
        "multitask", *paths, options, "--model", tiny_bert, "--out", tmp_path / "x", code=2
    )
    assert said in done.stderr
    assert not (tmp_path / "x").exists()


def test_tables_in_memory_are_numbered(tables: Path) -> None:
    frames = [pd.read_csv(tables / f"{name}.csv") for name in ("single", "regression")]
    sets = read_sets(frames, make(MultitaskArgs, label=("label", "stars")))
    assert list(sets) == ["table1", "table2"]
    assert [data.labelled().kind for data in sets.values()] == ["single", "regression"]
