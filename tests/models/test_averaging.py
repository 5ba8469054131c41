"""Does transformers compute what Steep does, of a head that reads the mean?"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel, AutoModelForSequenceClassification

from steep.data.corpus import Task
from steep.models.averaging import averages
from steep.models.checkpoint_files import read_checkpoint
from steep.models.checkpoints import checkpoint_notes, load_classifier, load_trained
from steep.models.pooling import PooledClassifier

TASK = Task("single", ("no", "yes", "perhaps"))
BATCH = {
    "input_ids": torch.tensor([[2, 9, 11, 7, 3], [2, 8, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


@pytest.fixture
def saved(tiny_bert: Path, tmp_path: Path) -> tuple[PooledClassifier, Path]:
    model = load_classifier(tiny_bert, TASK, "eager", 0, pooling="mean").eval()
    torch.nn.init.normal_(model.pooled_head.bias)
    model.save_pretrained(tmp_path)
    return model, tmp_path


@torch.no_grad()
def logits(model: torch.nn.Module) -> Tensor:
    return model(**BATCH).logits


def test_transformers_computes_the_same(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert type(theirs).__name__ == "BertForSequenceClassification"
    assert theirs.config.id2label == {0: "no", 1: "yes", 2: "perhaps"}
    torch.testing.assert_close(logits(theirs), logits(model), atol=5e-3, rtol=0)


def test_steep_reads_its_own_bits(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    again = load_trained(folder, "eager")
    assert isinstance(again, PooledClassifier)
    assert torch.equal(logits(again), logits(model))


@torch.no_grad()
def test_sentence_embeddings_keep_their_direction(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    mask = BATCH["attention_mask"][..., None]
    own, theirs = (
        (encoder(**BATCH).last_hidden_state * mask).sum(1) / mask.sum(1)
        for encoder in (model.base_model, AutoModel.from_pretrained(folder).eval())
    )
    own = own - own.mean(1, keepdim=True)
    assert torch.cosine_similarity(own, theirs).min() > 0.999


def test_a_fit_starts_from_its_encoder(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    again = load_classifier(folder, TASK, "eager", 1, pooling="mean")
    for name, weight in model.base_model.state_dict().items():
        assert torch.equal(weight, again.base_model.state_dict()[name])
    assert len(checkpoint_notes(again)) == 1


def test_what_others_trained_on_is_theirs(saved: tuple[PooledClassifier, Path]) -> None:
    _, folder = saved
    weights = load_file(folder / "model.safetensors")
    weights["bert.pooler.dense.bias"] = weights["bert.pooler.dense.bias"] + 0.5
    save_file(weights, folder / "model.safetensors")
    assert not averages(read_checkpoint(folder))
    again = load_trained(folder, "eager")
    assert type(again).__name__ == "BertForSequenceClassification"
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    assert again.config.num_hidden_layers == layers
