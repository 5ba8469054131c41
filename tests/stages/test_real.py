"""Does the path work on real text and a real checkpoint, as in the demo?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from transformers import pipeline

from steep.stages.demo import unpack

Steep = Callable[..., Any]

REAL = "--label label --max-length 32 --precision fp32 --device cpu"


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 reviews of the bundled data, and unlabelled.txt with 2 documents beside it."""
    folder = tmp_path_factory.mktemp("reviews")
    data = unpack(folder / "all")
    table = pd.read_csv(data.reviews)
    table.sample(60, random_state=0).to_csv(folder / "reviews.csv", index=False)
    documents = data.unlabelled.read_text(encoding="utf-8").split("\n\n")
    (folder / "unlabelled.txt").write_text("\n\n".join(documents[:2]), encoding="utf-8")
    return folder / "reviews.csv"


@pytest.fixture(scope="session")
def adapted(
    steep: Steep, reviews: Path, minilm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """all-MiniLM-L6-v2, adapted to the reviews and two documents."""
    out = tmp_path_factory.mktemp("real") / "adapted"
    more = reviews.with_name("unlabelled.txt")
    steep("adapt", reviews, more, "--unit paragraph --model", minilm, REAL, "--out", out)
    return out


def test_step_2_lowers_the_masked_loss_of_held_out_text(adapted: Path) -> None:
    results = json.loads((adapted / "results.json").read_text())
    assert results["new_head"]
    assert results["masked_loss"]["after"] < results["masked_loss"]["before"]
    assert len(pipeline("fill-mask", model=str(adapted))("a [MASK] film .")) == 5


def test_step_3_and_what_follows(
    steep: Steep, reviews: Path, adapted: Path, minilm: Path, tmp_path: Path
) -> None:
    model, out = tmp_path / "model", tmp_path / "predictions.csv"
    steep("fit", reviews, REAL, "--epochs 1 --model", adapted, "--base", minilm, "--out", model)
    steep("predict", model, reviews, "--precision fp32 --out", out)
    given, own = pd.read_csv(out), pd.read_csv(reviews)
    assert list(given["id"]) == list(own["id"])
    texts = own["text"].head(5).tolist()
    pipe = pipeline("text-classification", model=str(model), device="cpu")
    found = pipe(texts, truncation=True, max_length=32)
    for row, answer in zip(given.to_dict("records"), found, strict=False):
        assert answer["label"] == row["label"]
        assert answer["score"] == pytest.approx(row[f"p_{row['label']}"], abs=1e-3)
    assert "accuracy" in steep("evaluate", model, reviews).stdout


def test_a_study_with_an_encoder_that_is_there_already(
    steep: Steep, reviews: Path, adapted: Path, minilm: Path, tmp_path: Path
) -> None:
    words = (
        "--arms base,adapted --seeds 1 --epochs 1 --keep-going --model",
        adapted,
        "--base",
        minilm,
    )
    steep("compare", reviews, REAL, *words, "--out", tmp_path / "study")
    assert json.loads((tmp_path / "study" / "verdict.json").read_text())["sentence"]
    kept = {path.name for path in (tmp_path / "study" / "adapted").iterdir()}
    assert kept == {"steep.json", "history.csv", "results.json"}  # its record, not its weights
