"""Does a classifier of others give what `pipeline()` gives, under the same names?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    pipeline,
)

from steep.args import MachineArgs
from steep.data.corpus import Corpus
from steep.errors import SteepError
from steep.models.checkpoints import load_tokenizer
from steep.models.trained import load_trained_model

CPU = MachineArgs(device="cpu", precision="fp32", plain=True)
TEXTS = ["the cat was good", "a very old film about a night road", "dog", "good bad story"]
Build = Callable[..., PreTrainedModel]


@pytest.fixture
def corpus() -> Corpus:
    table = {"row": range(4), "id": list("abcd"), "text": TEXTS}
    return Corpus(datasets.Dataset.from_dict(table), "memory")


def foreign(tiny_bert: Path, folder: Path, build: Build, count: int, **config: Any) -> Path:
    """A classifier with `count` outputs whose config.json says `config`, in that order."""
    settings = AutoConfig.from_pretrained(tiny_bert, num_labels=count)
    build(AutoModelForSequenceClassification, settings).save_pretrained(folder)
    load_tokenizer(tiny_bert).save_pretrained(folder)
    content = json.loads((folder / "config.json").read_text())
    for name in ("id2label", "label2id", "problem_type", "num_labels"):
        content.pop(name, None)
    (folder / "config.json").write_text(json.dumps(content | config))
    return folder


def named(*numbers: int) -> dict[str, str]:
    """Names of outputs, listed in an order of their own."""
    return {str(number): f"label {number}" for number in numbers}


@pytest.mark.parametrize(
    ("count", "config", "kind"),
    [
        (2, {"id2label": named(0, 1)}, "single"),
        (2, {"id2label": named(1, 0)}, "single"),
        (11, {"id2label": named(0, 1, 10, *range(2, 10))}, "single"),
        (3, {"id2label": named(2, 0, 1), "problem_type": "multi_label_classification"}, "multi"),
        (2, {}, "single"),
        (3, {"num_labels": 3}, "single"),
        (1, {"id2label": {"0": "toxic"}}, "multi"),
        (1, {"id2label": {"0": "x"}, "problem_type": "multi_label_classification"}, "multi"),
        (1, {"id2label": {"0": "stars"}, "problem_type": "regression"}, "regression"),
        (2, {"id2label": named(1, 0), "problem_type": "regression"}, "regression"),
    ],
)
def test_it_gives_what_pipeline_gives(
    tiny_bert: Path,
    tmp_path: Path,
    build: Build,
    corpus: Corpus,
    count: int,
    config: dict[str, Any],
    kind: str,
) -> None:
    folder = foreign(tiny_bert, tmp_path, build, count, **config)
    trained = load_trained_model(folder)
    assert trained.task.kind == kind
    found = trained.predict(corpus, 2, CPU).reshape(len(TEXTS), -1)
    classify = pipeline("text-classification", str(folder), device="cpu", top_k=None)
    for row, scores in zip(found, classify(TEXTS), strict=True):
        theirs = {score["label"]: score["score"] for score in scores}
        assert dict(zip(trained.task.labels, row, strict=True)) == pytest.approx(theirs, abs=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-3, "rows differ"


@pytest.mark.parametrize(
    ("count", "config", "told"),
    [
        (2, {"id2label": {"0": "a", "2": "b"}}, "names the outputs 0, 2, but 2 outputs are"),
        (3, {"id2label": {"0": "a", "1": "b", "2": "a"}}, "calls two outputs 'a'"),
        (3, {"id2label": {"0": "a", "1": "b"}}, "classifier.bias is 3 in the weights, 2 by config"),
        (3, {}, "classifier.bias is 3 in the weights, 2 by config.json"),
        (
            2,
            {"problem_type": "nonsense"},
            "problem_type. must be single_label_classification or .*, not .nonsense",
        ),
    ],
)
def test_what_its_configuration_leaves_open_is_refused(
    tiny_bert: Path, tmp_path: Path, build: Build, count: int, config: dict[str, Any], told: str
) -> None:
    folder = foreign(tiny_bert, tmp_path, build, count, **config)
    with pytest.raises(SteepError, match=told):
        load_trained_model(folder)


def test_what_was_guessed_is_told(
    tiny_bert: Path, tmp_path: Path, build: Build, capsys: pytest.CaptureFixture
) -> None:
    load_trained_model(foreign(tiny_bert, tmp_path / "one", build, 1, num_labels=1))
    assert "one output without 'problem_type': read as a probability" in capsys.readouterr().err
    config = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}}
    load_trained_model(foreign(tiny_bert, tmp_path / "two", build, 2, **config))
    assert "'label2id' contradicts 'id2label'" in capsys.readouterr().err


@pytest.mark.parametrize("positions", [40, 66, 514, 1026])
def test_a_classifier_reads_what_it_has_positions_for(
    tiny_bert: Path, tmp_path: Path, build: Build, corpus: Corpus, positions: int
) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = RobertaConfig(
        **sizes,
        vocab_size=len(tokenizer),
        intermediate_size=16,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=1,
    )
    build(AutoModelForSequenceClassification, config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    trained = load_trained_model(tmp_path)
    assert trained.max_length == min(512, positions - 1)  # positions begin beyond padding, 0
    assert trained.predict(long_texts(corpus, 600), 4, CPU).shape == (4, 2)


def long_texts(corpus: Corpus, words: int) -> Corpus:
    table = corpus.table.to_dict() | {"text": ["good " * words] * 4}
    return Corpus(datasets.Dataset.from_dict(table), "memory")


def test_an_encoder_is_no_classifier(tiny_bert: Path) -> None:
    with pytest.raises(SteepError, match=r"not a trained classifier \(classifier\.bias"):
        load_trained_model(tiny_bert)


def test_half_a_classifier_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    model = BertForSequenceClassification.from_pretrained(tiny_bert)
    weights = {n: w for n, w in model.state_dict().items() if "pooler" not in n}
    model.save_pretrained(tmp_path, state_dict=weights)
    load_tokenizer(tiny_bert).save_pretrained(tmp_path)
    with pytest.raises(SteepError, match=r"not a trained classifier \(bert\.pooler\.dense\.bias"):
        load_trained_model(tmp_path)
    assert torch.equal(weights["classifier.bias"], model.classifier.bias)
