"""Do answers and vectors come in the file's order, and equal those of transformers itself?"""

import math
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.models.checkpoints import load_classifier
from steep.models.devices import Machine
from steep.models.inference import activation, features, predict

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
WORDS = "the good bad film story night road cat was very".split()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 40, (2, 37))
    texts, pairs = ([" ".join(draw.choice(WORDS, n)) for n in part] for part in lengths)
    columns = {"row": range(37), "id": list(map(str, range(37))), "text": texts, "pair": pairs}
    return Corpus(datasets.Dataset.from_dict(columns), "memory")


def model_and_rows(tiny_bert: Path, corpus: Corpus, task: Task) -> tuple[PreTrainedModel, Rows]:
    model = load_classifier(tiny_bert, task, "eager", 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in model.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model, Rows(corpus, task, AutoTokenizer.from_pretrained(tiny_bert), 64)


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
@pytest.mark.parametrize("paired", [True, False])
def test_predictions_are_transformers_own_in_the_files_order(
    tiny_bert: Path, corpus: Corpus, kind: str, paired: bool
) -> None:
    task = Task(kind, ("y",) if kind == "regression" else ("a", "b", "c"))
    if not paired:
        corpus = Corpus(corpus.table.remove_columns("pair"), "memory")
    model, rows = model_and_rows(tiny_bert, corpus, task)
    found = predict(model, rows, CPU, batch_size=8)
    own = []
    for line in corpus.table:
        texts = [line["text"], line["pair"]] if paired else [line["text"]]
        inputs = rows.tokenizer(*texts, truncation=True, max_length=64, return_tensors="pt")
        own.append(activation(model(**inputs).logits.detach(), kind))
    np.testing.assert_allclose(found, torch.cat(own).numpy(), atol=2e-5)
    assert np.ptp(found, axis=0).min() > 0.01, "rows must differ for their order to show"


def test_the_batch_size_changes_nothing(tiny_bert: Path, corpus: Corpus) -> None:
    model, rows = model_and_rows(tiny_bert, corpus, Task("single", ("a", "b")))
    whole = predict(model, rows, CPU, batch_size=64)
    for batch_size in (1, 5, 37):
        np.testing.assert_allclose(predict(model, rows, CPU, batch_size), whole, atol=2e-5)


def test_dropout_is_off(tiny_bert: Path, corpus: Corpus) -> None:
    model, rows = model_and_rows(tiny_bert, corpus, Task("single", ("a", "b")))
    model.train()
    first, again = (predict(model, rows, CPU, batch_size=16) for _ in range(2))
    assert (first == again).all()


def test_activations_by_kind_of_task() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [2.0, 2.0]])
    torch.testing.assert_close(activation(logits, "single")[0], torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(activation(logits, "multi")[0], torch.tensor([0.5, 0.75]))
    assert activation(logits[:, :1], "regression").tolist() == [0.0, 2.0]


TEXTS = ["the cat", "a very old film about a night road", "dog", "good bad story was good"]


def test_it_is_the_mean_over_the_texts_own_tokens(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert).train()
    corpus = Corpus(datasets.Dataset.from_dict({"row": range(4), "text": TEXTS}), "memory")
    rows = Rows(corpus, Task("single", ("a", "b")), tokenizer, 32)
    before = torch.get_rng_state()
    found = features(model, rows, False, torch.device("cpu"), batch_size=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    for text, vector in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            hidden = model.eval().base_model(**tokenizer(text, return_tensors="pt"))
        expected = hidden.last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)
