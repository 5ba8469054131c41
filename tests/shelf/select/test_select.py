"""Does `steep select` find what is similar to the task, by TF-IDF and by a checkpoint?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Steep = Callable[..., Any]


@pytest.fixture
def pile(tables: Path, tmp_path: Path) -> Path:
    """Texts of the task itself, shortened, among others that share no word with it."""
    own = pd.read_csv(tables / "single.csv")["text"].str.split().str[1:].str.join(" ")
    path = tmp_path / "pile.txt"
    strange = [f"xylophone quartz {i} vex" for i in range(300)]
    path.write_text("\n".join([*own[:60], *strange]), encoding="utf-8")
    return path


@pytest.mark.parametrize("by", ["tfidf", "encoder"])
def test_what_is_similar_to_the_task_is_selected(
    steep: Steep, tables: Path, pile: Path, tiny_bert: Path, tiny: str, by: str, tmp_path: Path
) -> None:
    out, task = tmp_path / "chosen", tables / "single.csv"
    how = ("--neighbours 2 --unit line --by", by, "--model", tiny_bert, "--max-length 32")
    shown = steep("select", pile, "--near", task, *how, "--out", out)
    lines = [json.loads(line) for line in (out / "selected.jsonl").read_text().splitlines()]
    results = json.loads((out / "results.json").read_text())
    assert results["selected"] == len(lines) > 10
    strange = sum("xylophone" in line["text"] for line in lines)  # of the pile, 5 of 6
    assert strange == 0 if by == "tfidf" else strange < 0.2 * len(lines), "an untrained encoder"
    assert all(0 < line["similarity"] <= 1.0001 for line in lines)
    order = pile.read_text().splitlines()
    places = [order.index(line["text"]) for line in lines]
    assert places == sorted(places), "in the order of the pile"
    assert f"{len(lines)} of 360 texts are selected, 2 for each of " in shown.stderr
    assert results["examples"][0][0] in shown.stderr
    steep(
        "adapt", task, out / "selected.jsonl", "--model", tiny_bert, tiny, "--out", tmp_path / "a"
    )


def test_what_it_needs_is_said(steep: Steep, tables: Path, pile: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "no")
    assert "--near" in steep("select", pile, *out, code=2).output
    near = ("--near", tables / "single.csv")
    assert "--model" in steep("select", pile, *near, "--by encoder", *out, code=2).output
    missing = ("--near", tmp_path / "none.csv")
    assert "none.csv" in steep("select", pile, *missing, *out, code=2).output
    assert not (tmp_path / "no").exists()
