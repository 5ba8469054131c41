"""Do whole commands train with every masking, and refuse what cannot be?"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file

Steep = Callable[..., Any]
POOLER = "bert.pooler.dense.weight"


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 90 documents without labels, of one to five sentences."""
    draw, words = random.Random(0), "film actor scene story road river tree dog".split()
    texts = []
    for number in range(90):
        lines = [" ".join(draw.choices(words, k=5)).capitalize() for _ in range(1 + number % 5)]
        texts.append(". ".join(lines) + ".")
    path = tmp_path_factory.mktemp("stories") / "stories.csv"
    pd.DataFrame({"text": texts}).to_csv(path, index=False)
    return path


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("masking", ["word", "span"])
def test_whole_words_and_spans(
    steep: Steep, stories: Path, tiny_bert: Path, tiny: str, tmp_path: Path, masking: str
) -> None:
    out = tmp_path / "adapted"
    steep("adapt", stories, "--model", tiny_bert, tiny, "--masking", masking, "--out", out)
    assert "pair_accuracy" not in results(out)
    before, after = (load_file(f / "model.safetensors")[POOLER] for f in (tiny_bert, out))
    assert (before == after).all()


def test_an_unknown_masking_is_refused(
    steep: Steep, stories: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    words = ("adapt", stories, "--model", tiny_bert, "--masking letter --out", tmp_path / "out")
    assert "--masking" in steep(*words, code=2).stderr
