"""Does a last layer that computes only what is read give the same logits and gradients?"""

import copy
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    LukeConfig,
    LukeForSequenceClassification,
    PreTrainedModel,
)

from steep.models import kernels
from steep.models.families import encoder_layers
from steep.models.heads import Classifier, WindowPooling
from steep.models.kernels.attention import attention
from steep.models.kernels.reading import FAMILIES
from steep.models.masked_lm import MaskedLM
from steep.models.pooling import PooledClassifier, set_pooling
from tests.models.kernels.conftest import COMMON, CONFIGS, INNER

KNOWN = {"bert", "roberta", "electra", "deberta-v2", "mpnet", "distilbert"}
"""Families whose last layer has a narrow form; to the others, the end makes no difference."""

Make = Callable[[str, str], PreTrainedModel]
POSITIONS = torch.tensor([1, 3, 17, 20, 26, 33, 40, 0, 0])
LABELS = torch.tensor([9, 8, 7, 6, 5, 4, 3, -100, -100])  # the last two only fill up


@pytest.fixture
def rows(batch: dict[str, Tensor]) -> Tensor:
    return torch.stack([batch["input_ids"], batch["attention_mask"]], 1)


def counted(model: PreTrainedModel) -> list[int]:
    """How many positions the feed-forward block of the last layer has computed, call by call."""
    layer, found = encoder_layers(model.base_model)[-1], list[int]()
    inner = next(m for m in layer.modules() if isinstance(m, nn.Linear) and m.in_features == 96)
    inner.register_forward_hook(lambda _, given, out: found.append(out[..., 0].numel()))
    return found


def gradients(loss: Tensor, model: nn.Module) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_classifier_reads_the_same(make_model: Make, rows, family, dtype, close):
    model = make_model(family, "labels").to(dtype)
    labels = torch.tensor([0, 1, 1])
    plain = Classifier(model, autocast=None)
    assert not plain.reads_first, "a plain model has no narrow form"
    logits = plain(rows)
    expected = gradients(cross_entropy(logits, labels), model)
    kernels.install(model, seed=0, dtype=dtype)
    fast, computed = Classifier(model, autocast=None), counted(model)
    assert fast.reads_first == (family in KNOWN)
    found = fast(rows)
    assert computed == [3 if family in KNOWN else rows[:, 0].numel()]
    torch.testing.assert_close(found, logits, rtol=close, atol=close)
    narrow = gradients(cross_entropy(found, labels), model)
    assert narrow.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(narrow[name], expected[name], rtol=close, atol=close, msg=name)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_masked_lm_reads_the_same(make_model: Make, rows, family, dtype, close):
    model = make_model(family, "mlm").to(dtype)
    adapter, computed = MaskedLM(model, autocast=None), counted(model)
    logits = adapter(rows, POSITIONS)
    expected = gradients(cross_entropy(logits, LABELS), model)
    kernels.install(model, seed=0, dtype=dtype)
    found = adapter(rows, POSITIONS)
    assert computed[-1] == (len(POSITIONS) if family in KNOWN else rows[:, 0].numel())
    narrow = gradients(kernels.cross_entropy(found, LABELS), model)
    torch.testing.assert_close(found[:-2], logits[:-2], rtol=close, atol=close)
    assert narrow.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(narrow[name], expected[name], rtol=close, atol=close, msg=name)


@pytest.mark.parametrize("family", sorted(KNOWN))
def test_what_is_not_read_is_no_number_and_is_whole_again_afterwards(make_model, batch, family):
    encoder = make_model(family, "labels").base_model
    plain = encoder(**batch).last_hidden_state
    kernels.install(encoder, seed=0, dtype=torch.float32)
    shape = batch["input_ids"].shape
    with kernels.reading(encoder, shape):
        first = encoder(**batch).last_hidden_state
    with kernels.reading(encoder, shape, torch.tensor([1, 18])):
        some = encoder(**batch).last_hidden_state
    assert first[:, 1:].isnan().all()
    torch.testing.assert_close(first[:, 0], plain[:, 0], rtol=1e-5, atol=1e-5)
    assert some.flatten(0, 1).isnan().any(1).sum() == shape.numel() - 2
    torch.testing.assert_close(some[1, 2], plain[1, 2], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoder(**batch).last_hidden_state, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "first"), [("cls", True), ("last4", True), ("mean", False), ("concat", False)]
)
def test_poolings_are_told_apart_by_what_they_read(rows, pooling, first):
    config = copy.deepcopy(CONFIGS["bert"])
    config.num_hidden_layers = 4
    set_pooling(config, pooling)
    torch.manual_seed(0)
    model = PooledClassifier(AutoModel.from_config(config)).eval()
    plain = Classifier(model, autocast=None)(rows)
    kernels.install(model, seed=0, dtype=torch.float32)
    classifier = Classifier(model, autocast=None)
    assert classifier.reads_first is first
    torch.testing.assert_close(classifier(rows), plain, rtol=1e-5, atol=1e-5)


def test_windows_are_joined_by_what_is_read(make_model: Make, rows):
    model = make_model("bert", "labels")
    joined = WindowPooling("mean")
    windows = torch.stack([rows, torch.zeros_like(rows)], 1)
    windows[0, 1] = rows[1]  # the first row has two windows
    plain = Classifier(model, None, joined)(windows)
    kernels.install(model, seed=0, dtype=torch.float32)
    classifier, computed = Classifier(model, None, joined), counted(model)
    torch.testing.assert_close(classifier(windows), plain, rtol=1e-5, atol=1e-5)
    assert computed == [4]


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_queries_that_nobody_reads_are_not_computed(make_model: Make, rows, family):
    model = make_model(family, "mlm")
    kernels.install(model, seed=0, dtype=torch.float32)
    install = kernels
    with patch.object(install, "attention", wraps=attention) as called:
        MaskedLM(model, autocast=None)(rows, POSITIONS)
        Classifier(make_installed(make_model(family, "labels")), autocast=None)(rows)
    asked = [call.args[1].shape[2] for call in called.call_args_list]
    assert asked[:2] == [16, 8], "in the last layer the fullest row's, up to a multiple of 8"
    assert asked[-2:] == [16, 1]


def make_installed(model: PreTrainedModel) -> PreTrainedModel:
    kernels.install(model, seed=0, dtype=torch.float32)
    return model


@pytest.mark.parametrize("objective", [AutoModelForMaskedLM, AutoModelForSequenceClassification])
@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_family_that_is_called_known(rows, kind, objective):
    config = CONFIGS[kind] if kind in CONFIGS else AutoConfig.for_model(kind, **COMMON, **INNER)
    model = objective.from_config(copy.deepcopy(config)).eval()
    plain = _logits(model, rows)
    kernels.install(model, seed=0, dtype=torch.float32)
    assert "steep_narrow" in vars(encoder_layers(model.base_model)[-1])
    torch.testing.assert_close(_logits(model, rows), plain, rtol=1e-5, atol=1e-5)


def test_a_layer_that_only_looks_the_same_is_left_whole():
    config = LukeConfig(**COMMON, **INNER, entity_vocab_size=9)
    model = LukeForSequenceClassification(config).eval()
    rows = torch.randint(5, 97, (3, 2, 16))
    rows[:, 1] = 1
    plain = Classifier(model, autocast=None)(rows)
    kernels.install(model, seed=0, dtype=torch.float32)
    torch.testing.assert_close(Classifier(model, None)(rows), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("objective", ["labels", "mlm"])
def test_with_a_mask_of_its_own_for_every_query(make_model: Make, rows, objective, padded):
    rows[:, 1] = rows[:, 1] if padded else 1
    with patch.object(CONFIGS["bert"], "is_decoder", True):  # each position sees earlier ones alone
        model = make_model("bert", objective)
    plain = _logits(model, rows)
    kernels.install(model, seed=0, dtype=torch.float32)
    torch.testing.assert_close(_logits(model, rows), plain, rtol=1e-5, atol=1e-5)


def test_a_block_between_the_two_is_not_overlooked(make_model: Make, rows):
    with patch.multiple(CONFIGS["bert"], is_decoder=True, add_cross_attention=True):
        model = make_model("bert", "labels")
    kernels.install(model, seed=0, dtype=torch.float32)
    assert not Classifier(model, autocast=None).reads_first


def _logits(model: PreTrainedModel, rows: Tensor) -> Tensor:
    if "MaskedLM" in type(model).__name__:
        return MaskedLM(model, autocast=None)(rows, POSITIONS[:-2])
    return Classifier(model, autocast=None)(rows)


def test_with_dropout_every_weight_gets_a_gradient(make_model: Make, rows, family):
    for objective in ("labels", "mlm"):
        model = make_model(family, objective)
        kernels.install(model, seed=0, dtype=torch.bfloat16)
        model.train()
        if objective == "labels":
            loss = cross_entropy(Classifier(model, None).train()(rows), torch.tensor([0, 1, 1]))
        else:
            loss = kernels.cross_entropy(MaskedLM(model, None)(rows, POSITIONS), LABELS)
        found = gradients(loss, model)
        assert found.keys() == dict(model.named_parameters()).keys()
        assert all(gradient.isfinite().all() for gradient in found.values())


def test_finding_what_is_read_leaves_no_trace(make_model: Make, rows):
    model = make_model("bert", "labels").train()
    compute = kernels.install(model, seed=0)
    state = torch.random.get_rng_state()
    assert kernels.reads_first(model)
    assert model.training and compute.drawn == 0
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


def test_a_frozen_model_is_told_as_well(make_model: Make):
    model = make_model("bert", "labels").requires_grad_(False)
    kernels.install(model, seed=0)
    with torch.inference_mode():
        assert kernels.reads_first(model)
