"""Do the adapters give what the Hugging Face model itself gives, for every family?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from steep.models.heads import Classifier, MaskedLM, rescale_output

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
    adapter = MaskedLM(model, autocast=False)
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
            logits = MaskedLM(model, autocast=False)(batch, POSITIONS)
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
    classifier = Classifier(build(AutoModelForSequenceClassification, family), autocast=False)
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
    found = Classifier(model, autocast=False)(torch.cat([batch, segments], 1))
    keywords = {"input_ids": batch[:, 0], "attention_mask": batch[:, 1]}
    torch.testing.assert_close(found, model(**keywords, token_type_ids=segments[:, 0]).logits)
    assert (found - model(**keywords).logits).abs().max() > 1e-3


@torch.no_grad()
def test_segments_are_left_out_where_the_model_has_none(
    build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    config = DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=24, vocab_size=60)
    classifier = Classifier(build(AutoModelForSequenceClassification, config), autocast=False)
    found = classifier(torch.cat([batch, torch.ones(3, 1, 12, dtype=torch.long)], 1))
    torch.testing.assert_close(found, classifier(batch))


@torch.no_grad()
def test_bf16_logits_are_close_to_fp32(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    model = build(AutoModelForSequenceClassification, family)
    exact, rough = (Classifier(model, bf16)(batch) for bf16 in (False, True))
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max() + 0.05
    masked = AutoModelForMaskedLM
    exact, rough = (MaskedLM(build(masked, family), b)(batch, POSITIONS) for b in (False, True))
    assert rough.dtype == torch.bfloat16  # the loss works on them as they are
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max() + 0.05


@torch.no_grad()
def test_a_rescaled_output_is_the_output_times_scale_plus_shift(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], batch: Tensor
) -> None:
    family.num_labels = 2
    model = build(AutoModelForSequenceClassification, family)
    before = Classifier(model, autocast=False)(batch)
    rescale_output(model, [7.5, -2.0], [-3.0, 1.0])
    after = Classifier(model, autocast=False)(batch)
    torch.testing.assert_close(
        after, before * torch.tensor([7.5, -2.0]) + torch.tensor([-3.0, 1.0]), atol=1e-4, rtol=1e-4
    )
