"""Does the same command give the same bytes, do TOML and flags agree, does the Python API work?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import steep as package

Steep = Callable[..., Any]


def test_the_same_fit_twice_is_bit_for_bit_the_same(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        what = (tables / "single.csv", "--label label --epochs 2", tiny, "--model", tiny_bert)
        steep("fit", *what, "--out", tmp_path / name)
    for file in ("model.safetensors", "predictions/test.csv", "predictions/valid.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    for file in ("splits.json", "config.json", "tokenizer.json"):
        assert (tmp_path / "one" / file).read_text() == (tmp_path / "two" / file).read_text()


def test_another_seed_gives_another_model_on_the_same_rows(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path: Path, adapted: Path
) -> None:
    for seed in ("0", "1"):
        what = (tables / "single.csv", "--label label --epochs 1", tiny, "--model", tiny_bert)
        steep("fit", *what, "--seed", seed, "--out", tmp_path / seed)
    assert len({(tmp_path / s / "splits.json").read_text() for s in "01"}) == 1
    assert len({(tmp_path / s / "model.safetensors").read_bytes() for s in "01"}) == 2
    assert (tmp_path / "0" / "splits.json").read_text() == (adapted / "splits.json").read_text()


def test_the_same_adaptation_twice_is_bit_for_bit_the_same(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, adapted: Path, tmp_path: Path
) -> None:
    what = (tables / "single.csv", "--label label --epochs 2", tiny, "--model", tiny_bert)
    steep("adapt", *what, "--out", tmp_path / "again")
    for file in ("model.safetensors", "seen.npy", "splits.json"):
        assert (tmp_path / "again" / file).read_bytes() == (adapted / file).read_bytes(), file


def test_a_toml_file_holds_a_whole_fit_and_flags_win(
    steep: Steep, tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "model", tmp_path / "fit.toml"
    recipe.write_text(
        f'[fit]\nfile = "{tables / "multi.csv"}"\nout = "{out}"\nmodel = "{tiny_bert}"\n'
        'text = "comment_text"\nlabel = "toxic,insult"\nepochs = 3\nmax-length = 32\n'
        'precision = "fp32"\nlearning_rate = 0.001\n'
    )
    steep("fit --epochs 1 --config", recipe)
    args = json.loads((out / "steep.json").read_text())["args"]
    assert (args["epochs"], args["max_length"], args["learning_rate"]) == (1, 32, 0.001)
    assert len(pd.read_csv(out / "history.csv")) == 1
    labels = json.loads((out / "config.json").read_text())["id2label"]
    assert labels == {"0": "toxic", "1": "insult"}


def test_the_python_api_as_it_is_printed(
    tiny_csv: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.read_csv(tiny_csv).rename(columns={"text": "review", "label": "sentiment"})
    table.to_csv("reviews.csv", index=False)

    data = package.read("reviews.csv", text="review", label="sentiment")
    adapted = package.adapt(data, tiny_bert, out="adapted", max_length=32)
    learn = package.learner(data, adapted, max_length=32)
    learn.fit_one_cycle(2, package.discriminative(learn, 2e-5))

    assert len(learn.recorder.values) == 2
    probabilities, truth = learn.get_preds()
    assert probabilities.shape == (20, 2)
    assert truth.tolist() == data.valid.labels().tolist()
