"""Is a text read to its end where it is asked for, by every command?"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from transformers import AutoModelForSequenceClassification

from tests.conftest import BAD, GOOD, WORDS

Steep = Callable[..., Any]
TRAINING = (
    "--pooling model --max-length 24 --epochs 10 --learning-rate 5e-3 --batch-size 8 --device cpu"
)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 texts of 28 to 40 words; one of the last five gives the label away."""
    draw, lines = random.Random(0), []
    for number in range(200):
        words = draw.choices(WORDS, k=draw.randint(28, 40))
        words[-draw.randint(1, 5)] = draw.choice((BAD[:2], GOOD[:2])[number % 2])
        lines.append((" ".join(words), ("negative", "positive")[number % 2]))
    path = tmp_path_factory.mktemp("long") / "long.csv"
    pd.DataFrame(lines, columns=["text", "label"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def read_by(
    steep: Steep, long: Path, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, str]]:
    """A function that gives the folder of a fit with these options and what it said."""
    folder, done = tmp_path_factory.mktemp("read"), {}

    def give(options: str) -> tuple[Path, str]:
        if options not in done:
            out = folder / str(len(done))
            words = ("fit", long, "--label label --model", tiny_bert, TRAINING, options)
            done[options] = out, steep(*words, "--out", out).stderr
        return done[options]

    return give


def accuracy(folder: Path) -> float:
    return json.loads((folder / "results.json").read_text())["test"]["metrics"]["accuracy"]["value"]


def test_only_who_reads_the_end_learns_what_it_decides(read_by: Callable) -> None:
    found = {how: accuracy(read_by(f"--truncation {how}")[0]) for how in ("head", "tail")}
    found["windows"] = accuracy(read_by("--truncation sliding-max")[0])
    assert found["head"] < 0.76, found
    assert min(found["tail"], found["windows"]) > 0.8, found


def test_what_is_read_is_said(read_by: Callable) -> None:
    said = read_by("--truncation sliding-max")[1]
    assert "training texts are longer than 24 tokens; read in 2.0 windows" in said
    assert "are cut off (head is kept)" in read_by("--truncation head")[1]


def test_every_command_reads_the_windows_as_the_fit_did(
    steep: Steep, read_by: Callable, long: Path, tmp_path: Path
) -> None:
    folder, _ = read_by("--truncation sliding-max")
    own = pd.read_csv(folder / "predictions" / "test.csv")
    steep("predict", folder, long, "--batch-size 5 --out", tmp_path / "all.csv")
    given = pd.read_csv(tmp_path / "all.csv")["p_positive"].to_numpy()[own["row"]]
    np.testing.assert_allclose(given, own["p_positive"], atol=2e-5)
    said = steep("evaluate", folder, long)
    assert "long.csv texts are longer than 24 tokens" in said.stderr
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True
    )
    assert not info["missing_keys"] | info["unexpected_keys"]
    assert model.config.num_labels == 2


def test_an_export_is_refused(refused: Callable[..., str], read_by: Callable, long: Path) -> None:
    folder, _ = read_by("--truncation sliding-max")
    assert "windows are pooled (sliding-max)" in refused("export", folder, long)
