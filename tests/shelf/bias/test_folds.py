"""Is every row scored by a fit that saw neither it, nor a copy of it, nor its group?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steep.args.table import TableArgs
from steep.data.load import read_table
from steep.options import change
from steep.shelf.bias.folds import folds_of
from tests.shelf.bias.conftest import table_of

Steep = Callable[..., Any]
Refused = Callable[..., str]


def test_copies_and_groups_stay_together(tmp_path: Path) -> None:
    """Row 0 is there again with other punctuation, row 5 within a longer text."""
    table, path = table_of(200), tmp_path / "c.csv"
    long = " ".join(f"word{i}" for i in range(30))
    table.loc[5, "text"] = long
    copies = [f"{table['text'][0].title()} ...", f"{'so then ' * 3}{long}{' and so on' * 3}"]
    extra = table.iloc[[100, 101]].assign(text=copies, thread=["x", "y"])
    pd.concat([table, extra]).to_csv(path, index=False)
    options = change(TableArgs(), {"label": "toxic", "soft": True, "group": "thread"})
    corpus = read_table(path, options)
    folds = folds_of(corpus, options, 5, 0)
    assert folds.places[0] == folds.places[200]
    assert folds.places[5] == folds.places[201]
    threads = pd.Series(folds.places).groupby(corpus.groups()).nunique()
    assert (threads == 1).all()
    sizes = np.bincount(folds.places)
    assert sizes.min() > 25
    parts = [folds.data(fold) for fold in range(5)]
    assert sorted(np.concatenate([d.test.rows() for d in parts])) == list(range(202))
    for data in parts:
        rows = np.concatenate([part.rows() for part in data.parts.values()])
        assert sorted(rows) == list(range(202))
        assert set(data.train.groups()).isdisjoint(data.test.groups())


def test_out_of_fold_findings(
    steep: Steep, comments: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    """All rows count; a second call takes the fits that are there."""
    config, out = tmp_path / "fit.toml", tmp_path / "found"
    config.write_text("[fit]\nepochs = 2\nmax-length = 32\nlearning-rate = 3e-3\n")
    words = "--label toxic --soft --identities women,men --folds 3 --device cpu --precision fp32"
    first = steep("bias", tiny_bert, comments, words, "--config", config, "--out", out)
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert found["rows"] == 300
    manifest = json.loads((out / "steep.json").read_text(encoding="utf-8"))
    assert manifest["seconds"] > 1  # those of the fits, too
    assert len([*(tmp_path / "found.folds").iterdir()]) == 3
    again = steep(
        "bias", tiny_bert, comments, words, "--config", config, "--out", out, "--overwrite"
    )
    assert "next: steep predict" in first.stderr
    assert "next: steep predict" not in again.stderr
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == found


def test_no_card_is_promised_to_fits_that_have_none(
    refused: Refused, comments: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    """Before any of them is made."""
    words = ("--label toxic --identities women --folds 3 --card --out", tmp_path / "found")
    assert "card: " in refused("bias", tiny_bert, comments, *words)
    assert not (tmp_path / "found.folds").exists()


def test_folds_need_a_place(refused: Refused, comments: Path, tiny_bert: Path) -> None:
    words = "--label toxic --identities women --folds 3"
    assert "name a folder with --out" in refused("bias", tiny_bert, comments, words)
