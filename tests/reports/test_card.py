"""Is the model card one that the hub reads, and does it say what was done, and nothing private?"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard

from steep.reports import card
from steep.reports.folder import RunFolder, read_run


@pytest.fixture
def made(make: SimpleNamespace, tmp_path: Path) -> RunFolder:
    """A finished fit."""
    return read_run(make.fit(tmp_path / "model"))


def with_args(made: RunFolder, **changed: str) -> RunFolder:
    return replace(made, manifest=made.manifest | {"args": made.manifest["args"] | changed})


def test_the_hub_reads_it(made: RunFolder, tmp_path: Path) -> None:
    found = ModelCard.load(card.write(tmp_path, made, None))
    assert found.data.base_model == "bert-base-uncased"
    assert (found.data.library_name, found.data.pipeline_tag) == (
        "transformers", "text-classification"
    )  # fmt: skip
    result = found.data.eval_results[0]
    assert result.metric_type == "accuracy" and result.dataset_split == "test"
    known = made.results["test"]["metrics"]["accuracy"]["value"]
    assert result.metric_value == pytest.approx(known, abs=1e-4)
    assert result.dataset_name == "reviews.csv"
    assert 'pipeline("text-classification", "model")' in found.text
    assert "max_length=256" in found.text
    assert "| learning rate | 5e-05 |" in found.text
    assert "None: the encoder began as the base checkpoint has it." in found.text


def test_it_tells_of_step_2(make: SimpleNamespace, made: RunFolder, tmp_path: Path) -> None:
    step2 = read_run(make.adapt(tmp_path / "adapted"))
    text = card.write(tmp_path, with_args(made, encoder="/home/me/adapted"), step2).read_text()
    assert "12,044" in text and "2.813" in text and "2.104" in text
    assert "| encoder | adapted |" in text and "/home" not in text


def test_no_text_and_no_path_is_handed_on(made: RunFolder, tmp_path: Path) -> None:
    text = card.write(tmp_path, with_args(made, model=str(tmp_path)), None).read_text()
    assert str(tmp_path) not in text and "We left halfway" not in text
    assert ModelCard(text).data.base_model is None


def test_what_pipeline_cannot_do_is_said(made: RunFolder, tmp_path: Path) -> None:
    text = card.write(tmp_path, with_args(made, truncation="tail"), None).read_text()
    assert "steep keeps tail of a long text" in text
    pooled = card.write(tmp_path, with_args(made, pooling="mean"), None).read_text()
    assert "refuses this folder" in pooled and "from transformers import" not in pooled
    assert ModelCard(pooled).data.library_name == "steep"


def test_rare_classes_are_named(make: SimpleNamespace, tmp_path: Path) -> None:
    made = read_run(make.fit(tmp_path / "model", labels=("a", "b", "c")))
    made.results["test"]["per_class"][2]["rows"] = 90
    assert "Fewer than 20 of these rows have a and b:" in card.write(
        tmp_path, made, None
    ).read_text("utf-8")
