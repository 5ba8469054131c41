"""Are checkpoints ranked as starts by what their features know, and is it said how sure that is?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from steep.metrics.probing import Probed
from steep.study.starts import Ranked, advice
from tests.stages.conftest import columns, steep, tables  # noqa: F401

Steep = Callable[..., Any]
DRAWN = np.random.default_rng(0).normal(size=1000)


def made(name: str, logme: float, score: float, error: float = 0.01, numbers: int = 8) -> Ranked:
    """A checkpoint whose score moves with the rows by `error`, independent of that of others."""
    drawn = score + error * np.random.default_rng(len(name)).permutation(DRAWN)
    return Ranked(name, logme, Probed("accuracy", score, drawn), numbers, 100, 1.0)


def test_the_sentence_says_how_sure_it_is() -> None:
    clear = advice([made("a", 0.5, 0.9), made("bb", 0.4, 0.8)])
    assert clear.startswith("start from a: LogME and the probe put it first, before bb by +0.100")
    near = advice([made("a", 0.5, 0.81), made("bb", 0.4, 0.8)])
    assert "may be chance" in near and "start from" not in near.partition("may")[0]
    split = advice([made("a", 0.5, 0.7), made("bb", 0.4, 0.9), made("ccc", 0.3, 0.8)])
    assert "LogME puts a first, the probe bb" in split and "cannot tell" in split
    assert "different sizes" in advice([made("a", 0.5, 0.9), made("bb", 0.4, 0.8, numbers=9)])
    assert "--rank" in advice([made("a", 0.5, 0.9)])


@pytest.fixture
def ignorant(tiny_bert: Path, tmp_path: Path) -> Path:
    """The tiny BERT, to which all words are one."""
    folder = tmp_path / "ignorant"
    shutil.copytree(tiny_bert, folder)
    weights = load_file(folder / "model.safetensors")
    for name in (name for name in weights if "word_embeddings" in name or "decoder" in name):
        weights[name] = torch.zeros_like(weights[name])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_check_ranks_what_knows_the_words_first(
    steep: Steep,  # noqa: F811
    tables: Path,  # noqa: F811
    columns: dict,  # noqa: F811
    tiny_bert: Path,
    ignorant: Path,
    kind: str,
    tmp_path: Path,
) -> None:
    words = (tables / f"{kind}.csv", columns[kind], "--device cpu --precision fp32")
    both = ("--rank", ignorant, "--rank", tiny_bert, "--rank", ignorant)
    shown = steep("check", *words, *both, "--out", tmp_path / "found.json").stdout
    found = json.loads((tmp_path / "found.json").read_text())["starts"]
    assert [one["checkpoint"] for one in found["ranked"]] == [str(tiny_bert), str(ignorant)]
    best, worst = found["ranked"]
    assert best["logme"] > worst["logme"] and best["error"] > 0
    assert best["probe"] > worst["probe"] and found["rows"] == [140, 20]
    assert best["parameters"] == worst["parameters"] > 10_000
    assert "LogME on 140 training rows" in shown and found["advice"] in shown


def test_the_plan_of_a_study_ranks_and_the_study_is_the_same(
    steep: Steep,  # noqa: F811
    tables: Path,  # noqa: F811
    columns: dict,  # noqa: F811
    tiny_bert: Path,
    ignorant: Path,
    tmp_path: Path,
) -> None:
    toml = tmp_path / "study.toml"
    toml.write_text("[adapt]\nmax-length = 32\n")
    words = (tables / "single.csv", columns["single"], "--model", tiny_bert, "--max-length 32")
    plan = ("--device cpu --precision fp32 --dry-run --config", toml, "--out", tmp_path / "study")
    shown = steep("compare", *words, "--rank", ignorant, *plan).stderr
    assert "LogME" in shown and str(ignorant) in shown


def test_labels_and_checkpoints_are_needed(
    steep: Steep,  # noqa: F811
    tables: Path,  # noqa: F811
    tiny_bert: Path,
    tmp_path: Path,
) -> None:
    shown = steep("check", tables / "single.csv", "--rank", tiny_bert, code=2).stderr
    assert "--label" in shown
    file = (tables / "single.csv", "--label label --rank", tmp_path / "nothing")
    assert "nothing" in steep("check", *file, code=2).stderr
