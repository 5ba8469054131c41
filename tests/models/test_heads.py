"""Do the adapters give what Hugging Face's models give, and pool windows in any order alike?"""

import math
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.models import kernels
from steep.models.checkpoints import load_classifier
from steep.models.devices import Machine
from steep.models.heads import (
    Classifier,
    activation,
    features,
    predict,
    rescale_output,
    window_pooling,
)
from steep.models.masked_lm import MaskedLM

POSITIONS = torch.tensor([0, 3, 7, 13, 30, 30])


@pytest.fixture
def batch() -> Tensor:
    """Three rows of ids and attention mask, the first one padded."""
    draw = torch.Generator().manual_seed(0)
    batch = torch.randint(5, 60, (3, 2, 12), generator=draw)
    batch[:, 1] = 1
    batch[0, 0, 8:], batch[0, 1, 8:] = 1, 0
    return batch


def dense(model: PreTrainedModel, batch: Tensor) -> Tensor:
    logits = model(input_ids=batch[:, 0], attention_mask=batch[:, 1]).logits
    return logits.flatten(0, 1)


@torch.no_grad()
def test_sparse_logits_are_the_dense_ones(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    model = build(AutoModelForMaskedLM, family)
    expected = dense(model, batch)[POSITIONS]
    adapter = MaskedLM(model, autocast=None)
    found = adapter(batch, POSITIONS)
    assert found.shape == (6, 60)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "positions must differ to tell"
    torch.testing.assert_close(dense(model, batch)[POSITIONS], expected)  # no positions: dense


def test_sparse_gradients_are_the_dense_ones(
    build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    config = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    labels = torch.arange(10, 16)
    gradients = []
    for sparse in (True, False):
        model = build(AutoModelForMaskedLM, config).double()
        if sparse:
            logits = MaskedLM(model, autocast=None)(batch, POSITIONS)
        else:
            logits = dense(model, batch)[POSITIONS]
        cross_entropy(logits, labels).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in gradients[1].items():
        torch.testing.assert_close(gradients[0][name], gradient, atol=1e-12, rtol=1e-9, msg=name)
    word = "bert.embeddings.word_embeddings.weight"
    assert gradients[0][word].abs().max() > 0


@torch.no_grad()
def test_padding_changes_no_logits(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    classifier = Classifier(build(AutoModelForSequenceClassification, family), autocast=None)
    together = classifier(batch)
    alone = classifier(batch[:1, :, :8])
    torch.testing.assert_close(together[:1], alone, atol=2e-5, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-3


@torch.no_grad()
def test_segments_reach_the_model(build: Callable[..., PreTrainedModel], batch: Tensor) -> None:
    model = build(
        AutoModelForSequenceClassification,
        BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2),
    )
    segments = (torch.arange(12) > 5).long().expand(3, 1, 12)
    found = Classifier(model, autocast=None)(torch.cat([batch, segments], 1))
    keywords = {"input_ids": batch[:, 0], "attention_mask": batch[:, 1]}
    torch.testing.assert_close(found, model(**keywords, token_type_ids=segments[:, 0]).logits)
    assert (found - model(**keywords).logits).abs().max() > 1e-3


@torch.no_grad()
def test_segments_are_left_out_where_the_model_has_none(
    build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    config = DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=24, vocab_size=60)
    classifier = Classifier(build(AutoModelForSequenceClassification, config), autocast=None)
    found = classifier(torch.cat([batch, torch.ones(3, 1, 12, dtype=torch.long)], 1))
    torch.testing.assert_close(found, classifier(batch))


@torch.no_grad()
def test_bf16_logits_are_close_to_fp32(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    model = build(AutoModelForSequenceClassification, family)
    exact, rough = (Classifier(model, half)(batch) for half in (None, torch.bfloat16))
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max() + 0.05
    masked = AutoModelForMaskedLM
    exact, rough = (
        MaskedLM(build(masked, family), half)(batch, POSITIONS) for half in (None, torch.bfloat16)
    )
    assert rough.dtype == torch.bfloat16  # the loss works on them as they are
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max() + 0.05


@torch.no_grad()
def test_a_rescaled_output_is_the_output_times_scale_plus_shift(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    family.num_labels = 2
    model = build(AutoModelForSequenceClassification, family)
    before = Classifier(model, autocast=None)(batch)
    rescale_output(model, [7.5, -2.0], [-3.0, 1.0])
    after = Classifier(model, autocast=None)(batch)
    torch.testing.assert_close(
        after, before * torch.tensor([7.5, -2.0]) + torch.tensor([-3.0, 1.0]), atol=1e-4, rtol=1e-4
    )


@torch.no_grad()
@pytest.mark.parametrize("targets", [1, 40])
@pytest.mark.parametrize("how", ["bf16", "fp16", "fast"])
def test_targets_far_from_0_keep_their_digits_in_16_bits(
    build: Callable[..., PreTrainedModel], batch: Tensor, how: str, targets: int
) -> None:
    """bf16 knows two numbers between 1990 and 2000, and fp16 none above 65,504."""
    config = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    config.num_labels = targets
    model, far = build(AutoModelForSequenceClassification, config), 3e5 if how == "fp16" else 1990
    before = Classifier(model, autocast=None)(batch)
    rescale_output(model, [5.0] * targets, [float(far)] * targets)
    if how == "fast":
        kernels.install(model, 0, torch.bfloat16)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16, "fast": None}[how]
    after = Classifier(model, half)(batch)
    torch.testing.assert_close((after - far) / 5, before, atol=0.05, rtol=0.05)


@torch.no_grad()
def test_probabilities_in_16_bits_are_no_ties(build: Callable[..., PreTrainedModel]) -> None:
    config = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    model = build(AutoModelForSequenceClassification, config).eval()
    many = torch.randint(5, 60, (200, 2, 12), generator=torch.Generator().manual_seed(1))
    many[:, 1] = 1
    found = Classifier(model, torch.bfloat16)(many)[:, 0]
    assert len(found.unique()) > 190


TASK = Task("single", ("a", "b", "c"))
WAYS = ["mean", "max"]


def classifier(folder: Path, how: str, pooling: str = "model") -> Classifier:
    model = load_classifier(folder, TASK, "eager", 0, pooling=pooling)
    pooled = window_pooling(f"sliding-{how}", model)
    assert pooled is not None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in model.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return Classifier(model, None, pooled).eval()


def rows(most: int, *counts: int) -> Tensor:
    """int64 (rows, most, 2, 16): rows with so many random windows, the rest empty."""
    draw = np.random.default_rng(sum(counts))
    batch = np.zeros((len(counts), most, 2, 16), np.int64)
    for row, count in zip(batch, counts, strict=True):
        row[:count, 0, :12] = draw.integers(5, 60, (count, 12))
        row[:count, 1, :12] = 1
    return torch.from_numpy(batch)


def plain(model: PreTrainedModel, windows: Tensor) -> Tensor:
    return model(input_ids=windows[:, 0], attention_mask=windows[:, 1]).logits


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("pooling", ["model", "mean"])
@torch.no_grad()
def test_order_neighbours_and_filling_change_nothing(
    tiny_bert: Path, how: str, pooling: str
) -> None:
    net = classifier(tiny_bert, how, pooling)
    batch = rows(4, 1, 3, 2, 4)
    whole = net(batch)
    turned = batch.clone()
    turned[1, :3] = batch[1, [2, 0, 1]]
    turned[3] = batch[3, [3, 2, 1, 0]]
    torch.testing.assert_close(net(turned), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(net(rows(7, 1, 3, 2, 4)), whole, atol=1e-5, rtol=0)
    alone = torch.cat([net(batch[at : at + 1]) for at in range(4)])
    torch.testing.assert_close(alone, whole, atol=1e-5, rtol=0)
    assert (whole[1:] - whole[:1]).abs().max() > 0.01
    once = net.model(input_ids=batch[:1, 0, 0], attention_mask=batch[:1, 0, 1]).logits
    torch.testing.assert_close(whole[:1], once, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_mean_of_features_is_that_of_logits(tiny_bert: Path) -> None:
    net, batch = classifier(tiny_bert, "mean"), rows(3, 3)
    torch.testing.assert_close(net(batch)[0], plain(net.model, batch[0]).mean(0))
    by_max = classifier(tiny_bert, "max")
    assert (by_max(batch)[0] - net(batch)[0]).abs().max() > 0.01


@pytest.mark.parametrize("how", WAYS)
def test_every_weight_has_a_gradient(tiny_bert: Path, how: str) -> None:
    net = classifier(tiny_bert, how).train()
    net(rows(3, 2, 3)).pow(2).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    assert net.model.classifier.weight.grad.abs().max() > 0


@pytest.mark.parametrize("how", WAYS)
@torch.no_grad()
def test_the_fast_layers_pool_as_the_plain_ones(tiny_bert: Path, how: str) -> None:
    net, batch = classifier(tiny_bert, how), rows(3, 1, 3)
    before = net(batch)
    kernels.install(net.model, 0, torch.float32)
    torch.testing.assert_close(net(batch), before, atol=1e-4, rtol=0)


def test_windows_are_pooled_before_a_linear_layer_alone(tiny_bert: Path) -> None:
    model = load_classifier(tiny_bert, TASK, "eager", 0)
    assert window_pooling("head", model) is None
    model.classifier = torch.nn.Identity()
    with pytest.raises(SteepError, match="no linear layer at its end.*head\\+tail"):
        window_pooling("sliding-mean", model)


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
    found = features(model, rows, None, torch.device("cpu"), batch_size=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    for text, vector in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            hidden = model.eval().base_model(**tokenizer(text, return_tensors="pt"))
        expected = hidden.last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)
