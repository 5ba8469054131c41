"""Does a fit learn from a first model's sure answers, and from nothing that is held out?"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import BAD, GOOD, WORDS

Steep = Callable[..., Any]
TRAINING = "--label label --epochs 8 --batch-size 8 --learning-rate 3e-3 --max-length 32"


@pytest.fixture
def pile(tables: Path, tmp_path: Path) -> Path:
    """Sentences with a telling word, and a copy of every labelled text."""
    stream = random.Random(0)
    texts = [
        " ".join([*stream.sample(WORDS[:60], 6), stream.choice(GOOD if i % 2 else BAD)])
        for i in range(80)
    ]
    path = tmp_path / "pile.csv"
    pd.DataFrame({"text": texts + list(pd.read_csv(tables / "single.csv")["text"])}).to_csv(
        path, index=False
    )
    return path


def test_sure_answers_are_learnt_from(
    steep: Steep, tables: Path, tiny_bert: Path, pile: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student"
    asked = ("--self-train", pile, "--confidence 0.6 --per-class 25 --out", out)
    shown = steep("fit", tables / "single.csv", TRAINING, "--model", tiny_bert, *asked).stderr
    results = json.loads((out / "results.json").read_text())
    found = results["self_training"]
    assert 0 < sum(found["kept"].values()) <= min(50, found["sure"])
    assert all(count <= 25 for count in found["kept"].values())
    assert f"the first model is sure of {found['sure']:,}" in shown
    assert "texts equal a held-out row and are left out" in shown
    assert "texts of the pile have a label already" in shown
    labelled = len(pd.read_csv(tables / "single.csv"))
    assert found["texts"] <= 80, "held-out and labelled texts are not in the pile"
    teacher = json.loads((tmp_path / "student.teacher" / "results.json").read_text())
    assert "self_training" not in teacher
    assert teacher["valid"]["rows"] == results["valid"]["rows"] < labelled
    again = steep(
        "fit", tables / "single.csv", TRAINING, "--model", tiny_bert, *asked, "--overwrite"
    ).stderr
    assert "student.teacher, as it is" in again
    repeated = json.loads((out / "results.json").read_text())
    assert repeated.pop("tokens_per_second") and results.pop("tokens_per_second")
    assert repeated == results


def test_several_labels_a_row_are_learnt_from(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, pile: Path, tmp_path: Path
) -> None:
    out, training = tmp_path / "multi", TRAINING.removeprefix("--label label")
    asked = ("--self-train", pile, "--confidence 0.6 --per-class 10 --out", out)
    shown = steep(
        "fit", tables / "multi.csv", columns["multi"], training, "--model", tiny_bert, *asked
    ).stderr
    found = json.loads((out / "results.json").read_text())["self_training"]
    assert 0 < found["kept"]["none of them"] <= 10
    assert f"none of them {found['kept']['none of them']})" in shown


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("regression", "", "self_train needs classes or labels; this is regression"),
        ("pairs", "", "reads single texts, not pairs"),
        ("single", "--confidence 1", "is sure of no text at confidence 1"),
    ],
)
def test_what_it_cannot_learn_from(
    steep: Steep,
    tables: Path,
    columns: dict,
    tiny_bert: Path,
    tiny: str,
    pile: Path,
    tmp_path: Path,
    kind: str,
    more: str,
    told: str,
) -> None:
    how = ("--model", tiny_bert, tiny, "--epochs 1", more, "--self-train", pile)
    out = tmp_path / "no"
    said = steep("fit", tables / f"{kind}.csv", columns[kind], *how, "--out", out, code=2).output
    assert told in said
    assert not out.exists()
