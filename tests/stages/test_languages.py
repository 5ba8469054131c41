"""Does text in another language go the whole way, and is it said what a checkpoint makes of it?"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Steep = Callable[..., Any]
WORDS = "der Film war schon sehr für die Straße über große Bäume und müde Hunde мой ещё".split()
TELLING = {"прекрасно": ["schön", "großartig"], "ужасно": ["öde", "häßlich"]}


@pytest.fixture
def german(tmp_path: Path) -> Path:
    """80 rows of two classes, whose names are Russian."""
    draw, rows = random.Random(0), []
    for number in range(80):
        label = [*TELLING][number % 2]
        words = [*draw.choices(WORDS, k=8), draw.choice(TELLING[label]), f"Nr{number}"]
        rows.append((" ".join(words), label))
    pd.DataFrame(rows, columns=["Text", "Größe"]).to_csv(tmp_path / "größe.csv", index=False)
    return tmp_path / "größe.csv"


def test_check_says_what_a_vocabulary_makes_of_another_language(
    steep: Steep, german: Path, tables: Path, tiny_bert: Path
) -> None:
    shown = steep("check", german, "--text Text --label Größe --model", tiny_bert).stdout
    assert "most frequent words are one token: it was made for other texts" in shown
    assert "accents: the tokenizer drops them in " in shown
    assert "reads 1 word as another (schön as schon)" in shown
    shown = steep("check", tables / "single.csv", "--label label --model", tiny_bert).stdout
    assert "one token\n" in shown and "accents" not in shown


def test_another_language_goes_the_whole_way(
    steep: Steep, german: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    own = ("--text Text --label Größe", tiny)
    steep("adapt", german, *own, "--model", tiny_bert, "--epochs 1 --out", tmp_path / "angepaßt")
    out = tmp_path / "модель"
    steep("fit", german, *own, "--model", tmp_path / "angepaßt", "--epochs 2 --out", out)
    shown = steep("evaluate", out, german).stdout
    assert "größe.csv: 80 rows" in shown and "accuracy" in shown
    steep("predict", out, german, "--keep-columns --out", tmp_path / "p.csv")
    found, given = pd.read_csv(tmp_path / "p.csv"), pd.read_csv(german)
    assert {"p_прекрасно", "p_ужасно", "Text", "Größe"} <= {*found.columns}
    assert found["Text"].tolist() == given["Text"].tolist()
    steep("report", out)
    for name in ("report.html", "report.md"):
        page = (out / name).read_text(encoding="utf-8")
        assert "прекрасно" in page and "größe.csv" in page
