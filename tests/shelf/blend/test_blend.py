"""Is a blend where it says between base and adapted, and a folder that others go on from?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from steep.metrics import probing

Steep = Callable[..., Any]
Weights = dict[str, torch.Tensor]


def weights(folder: Path) -> Weights:
    """The weights of a checkpoint under the names that a bare encoder has, and the head's."""
    return {k.removeprefix("bert."): v for k, v in load_file(folder / "model.safetensors").items()}


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="session")
def sentences(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence encoder made from the tiny BERT: other weights, no head, files of its own."""
    folder = tmp_path_factory.mktemp("sentences") / "encoder"
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    model = BertModel.from_pretrained(tiny_bert)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    model.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    for name in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (folder / name).write_text("{}")
    return folder


def test_half_way_and_both_ends(
    steep: Steep, adapted: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    base, end = weights(tiny_bert), weights(adapted)
    moved = [k for k in base if k in end and not torch.equal(base[k], end[k])]
    assert "cls.predictions.bias" in moved and len(moved) > 20, "the head moves with the encoder"
    for alpha in (0, 0.5, 1):
        out = tmp_path / f"blended{alpha}"
        shown = steep("blend --model", adapted, f"--alpha {alpha} --out", out)
        found = weights(out)
        assert found.keys() == end.keys()
        for key in moved:
            assert torch.allclose(found[key], torch.lerp(base[key], end[key], alpha), atol=1e-7)
        assert results(out)["blend"]["alpha"] == alpha
        assert "step 2 changed the encoder's weights by" in shown.stderr
    assert all(torch.equal(v, end[k]) for k, v in weights(tmp_path / "blended1").items())


def test_it_is_a_folder_of_step_2(
    steep: Steep, adapted: Path, tables: Path, columns: dict, tiny: str, tmp_path: Path
) -> None:
    out, file = tmp_path / "blended", tables / "single.csv"
    steep("blend --model", adapted, "--alpha 0.5 --out", out)
    for name in ("splits.json", "seen.npy", "history.csv"):
        assert (out / name).read_bytes() == (adapted / name).read_bytes()
    assert results(out)["masked_loss"] == results(adapted)["masked_loss"]
    card = ModelCard.load(out / "README.md").text
    assert "0.5 x what step 2 changed" in card and str(tmp_path) not in card
    fitted = steep(
        "fit", file, columns["single"], tiny, "--epochs 1 --model", out, "--out", tmp_path / "m"
    )
    assert "split as" in fitted.stderr
    steep("report", out)
    page = (out / "report.md").read_text()
    assert "steep blend" in page and "--alpha 0.5" in page and "single.csv --" not in page
    steep("share", out, "--out", tmp_path / "shared")


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_labels_choose_alpha(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tiny: str, kind: str, tmp_path: Path
) -> None:
    adapted, out, file = tmp_path / "adapted", tmp_path / "blended", tables / f"{kind}.csv"
    steep("adapt", file, columns[kind], "--model", tiny_bert, tiny, "--max-steps 4 --out", adapted)
    shown = steep("blend", file, columns[kind], tiny, "--model", adapted, "--out", out)
    found = results(out)["blend"]
    scores = {one["alpha"]: one["score"] for one in found["probe"]["scores"]}
    assert list(scores) == [0, 0.25, 0.5, 0.75, 1] and found["probe"]["rows"] == [140, 20]
    best = min(scores.values()) if found["probe"]["metric"] == "rmse" else max(scores.values())
    assert found["alpha"] == next(a for a, score in scores.items() if score == best)
    assert f"alpha {found['alpha']:g} is best" in shown.stderr


@pytest.mark.parametrize("values", [[0.9, 0.8, 0.8, 0.8, 0.9], [0.5, 0.6, 0.9, 0.8, 0.7]])
def test_alpha_0_is_said_in_words(
    steep: Steep,
    adapted: Path,
    tables: Path,
    columns: dict,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: list[float],
) -> None:
    given = iter(values)
    monkeypatch.setattr(probing, "_scored", lambda *_: next(given))
    file = (tables / "single.csv", columns["single"], tiny)
    shown = steep("blend", *file, "--model", adapted, "--out", tmp_path / "b").stderr
    assert ("do not use step 2" in shown) is (values[0] == 0.9)
    assert results(tmp_path / "b")["blend"]["alpha"] == (0 if values[0] == 0.9 else 0.5)


def test_the_change_is_carried_over_to_a_sentence_encoder(
    steep: Steep, adapted: Path, tiny_bert: Path, sentences: Path, tmp_path: Path
) -> None:
    out = tmp_path / "carried"
    steep("blend --model", adapted, "--onto", sentences, "--alpha 0.5 --out", out)
    base, end, start, found = map(weights, (tiny_bert, adapted, sentences, out))
    assert found.keys() == start.keys(), "no head that the sentence encoder did not have"
    for key, value in found.items():
        assert torch.allclose(value, start[key] + (end[key] - base[key]) / 2, atol=1e-6)
    for name in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        assert (out / name).is_file()
    AutoModel.from_pretrained(out)
    assert json.loads((out / "steep.json").read_text())["base"] == str(sentences)


def test_a_checkpoint_without_a_head_keeps_the_one_that_step_2_made(
    steep: Steep, sentences: Path, tables: Path, tiny: str, columns: dict, tmp_path: Path
) -> None:
    adapted, out = tmp_path / "adapted", tmp_path / "blended"
    file = (tables / "single.csv", columns["single"], "--model", sentences)
    steep("adapt", *file, tiny, "--max-steps 4 --out", adapted)
    steep("blend --model", adapted, "--alpha 0 --out", out)
    found, start, end = weights(out), weights(sentences), weights(adapted)
    assert all(torch.equal(found[key], value) for key, value in start.items())
    heads = [key for key in end if key.startswith("cls.") and "decoder" not in key]
    assert heads and all(torch.equal(found[key], end[key]) for key in heads)


def test_mistakes_are_said_before_anything_is_written(
    refused: Callable[..., str],
    adapted: Path,
    tiny_bert: Path,
    sentences: Path,
    tables: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "no"
    both = "one of the two"
    assert both in refused("blend --model", adapted, "--out", out)
    assert both in refused(
        "blend", tables / "single.csv", "--model", adapted, "--alpha 1 --out", out
    )
    told = refused("blend --model", tiny_bert, "--alpha 1 --out", out)
    assert "not a folder written by 'steep adapt'" in told
    told = refused("blend", tables / "single.csv", "--model", adapted, "--out", out)
    assert "--label" in told
    smaller = tmp_path / "smaller"
    shutil.copytree(sentences, smaller)
    config = BertConfig.from_pretrained(sentences)
    config.intermediate_size = 32
    BertModel(config).save_pretrained(smaller)
    told = refused("blend --alpha 1 --model", adapted, "--onto", smaller, "--out", out)
    assert "other shapes" in told and "intermediate" in told
    shutil.rmtree(smaller)
    shutil.copytree(sentences, smaller)
    path = smaller / "tokenizer.json"
    path.write_text(path.read_text().replace('"good"', '"gOod"'))
    told = refused("blend --alpha 1 --model", adapted, "--onto", smaller, "--out", out)
    assert "vocabulary is another" in told


def test_a_base_of_other_origin_is_doubted(
    steep: Steep, adapted: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_bert, other)
    found = load_file(other / "model.safetensors")
    save_file({k: -v for k, v in found.items()}, other / "model.safetensors", {"format": "pt"})
    shown = steep("blend --alpha 1 --model", adapted, "--base", other, "--out", tmp_path / "b")
    assert "more than a step 2 does" in shown.stderr
