"""Does the text of held-out rows stay out of step 2, and is it said where it does not?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steep.args.table import TableArgs
from steep.data.duplicates import corpus_hashes
from steep.data.load import read_table
from steep.options import make

Steep = Callable[..., Any]


@pytest.fixture
def base(tables: Path, tiny_bert: Path, tiny: str) -> tuple[Path | str, ...]:
    """The words that name single.csv, its columns and the checkpoint."""
    return (tables / "single.csv", "--label label", tiny, "--model", tiny_bert)


def rows(folder: Path) -> dict[str, list[int]]:
    """The row numbers of every part."""
    content = json.loads((folder / "splits.json").read_text())
    return {part: content[part]["rows"] for part in ("train", "valid", "test")}


def notes(folder: Path) -> str:
    return "\n".join(json.loads((folder / "steep.json").read_text())["notes"])


def seen_share(folder: Path, tables: Path, part: str) -> float:
    """The share of the texts of a part that the adaptation in `folder` has read."""
    corpus = read_table(tables / "single.csv", make(TableArgs, label="label"))
    hashes = corpus_hashes(corpus.take(np.array(rows(folder)[part])))
    return float(np.isin(hashes, np.load(folder / "seen.npy", allow_pickle=False)).mean())


def test_held_out_text_never_enters_the_adaptation(adapted: Path, tables: Path) -> None:
    assert seen_share(adapted, tables, "train") == 1
    assert seen_share(adapted, tables, "valid") == 0
    assert seen_share(adapted, tables, "test") == 0
    assert "60 validation and test rows are left out of step 2" in notes(adapted)


def test_a_further_text_that_equals_a_held_out_row_is_left_out_and_counted(
    steep: Steep, base: tuple[Path | str, ...], adapted: Path, tables: Path, tmp_path: Path
) -> None:
    texts, held = pd.read_csv(tables / "single.csv")["text"], rows(adapted)
    stolen = [texts[held["test"][0]], "  " + texts[held["valid"][0]].upper()]
    more = tmp_path / "more_text.txt"
    more.write_text("\n".join(["a tree by the river .", *stolen, "one more cat ."]) + "\n")
    out = tmp_path / "out"
    steep("adapt", base[0], more, *base[1:], "--unit line --out", out)
    assert rows(out) == held
    assert seen_share(out, tables, "test") == 0
    assert seen_share(out, tables, "valid") == 0
    told = "more_text.txt: 2 texts equal a held-out row and are left out (rows 2, 3)"
    assert told in notes(out)
    own, further = json.loads((out / "results.json").read_text())["sources"]
    assert own == {"name": "single.csv", "documents": 140, "left_out": 60}
    assert further == {"name": "more_text.txt", "documents": 2, "left_out": 2}


def test_evaluating_on_training_rows_is_said(
    steep: Steep, fitted: Callable[[str], Path], tables: Path
) -> None:
    done = steep("evaluate", fitted("single"), tables / "single.csv")
    assert "single.csv: the model was trained on 140 of 200 rows" in done.stderr


def test_transductive_training_is_said_in_its_notes_and_in_those_of_the_fit(
    steep: Steep, base: tuple[Path | str, ...], tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapted"
    steep("adapt", *base, "--transductive --out", out)
    assert seen_share(out, tables, "test") == 1
    assert "transductive: the text of validation and test rows is trained on" in notes(out)
    done = steep("fit", *base[:3], "--epochs 1 --model", out, "--out", tmp_path / "model")
    for told in (notes(tmp_path / "model"), done.stderr):
        assert "transductive: step 2 saw the text of 20 of 20 valid rows" in told
        assert "transductive: step 2 saw the text of 40 of 40 test rows" in told
    measured = steep("evaluate", tmp_path / "model", tables / "single.csv").stderr
    assert "of the fit: transductive: step 2 saw the text of 40 of 40 test rows" in measured


def test_a_fit_on_an_adapted_encoder_has_its_splits(
    steep: Steep, base: tuple[Path | str, ...], adapted: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    steep("adapt", *base, "--split-seed 5 --out", other)
    assert rows(other) != rows(adapted)
    steep("fit", *base[:3], "--epochs 1 --model", other, "--out", tmp_path / "model")
    assert rows(tmp_path / "model") == rows(other)
    assert "transductive" not in notes(tmp_path / "model")
