"""Do the fast layers compute what the plain Hugging Face model computes?"""

import copy

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM

from steep.models import kernels

OBJECTIVES = ["mlm", "labels"]


def loss_and_gradients(model, batch, objective) -> tuple[Tensor, dict[str, Tensor]]:
    logits = model(**batch).logits.flatten(0, -2)
    labels = batch["input_ids"].flatten() if objective == "mlm" else torch.tensor([0, 1, 1])
    labels = (
        labels.where(batch["attention_mask"].flatten() == 1, -100) if objective == "mlm" else labels
    )
    model.zero_grad()
    loss = nn.functional.cross_entropy(
        logits.to(torch.promote_types(logits.dtype, torch.float32)), labels
    )
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), grads


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_equal_outputs_and_gradients(make_model, batch, family, objective, dtype, close):
    model = make_model(family, objective).to(dtype)
    plain_loss, plain = loss_and_gradients(model, batch, objective)
    kernels.install(model, seed=0, dtype=dtype)
    fast_loss, fast = loss_and_gradients(model, batch, objective)
    torch.testing.assert_close(fast_loss, plain_loss, rtol=close, atol=close)
    assert fast.keys() == plain.keys()
    for name in plain:
        torch.testing.assert_close(fast[name], plain[name], rtol=close, atol=close, msg=name)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bf16_is_close_to_fp32(make_model, batch, family, objective):
    model = make_model(family, objective)
    plain_loss, plain = loss_and_gradients(model, batch, objective)
    kernels.install(model, seed=0, dtype=torch.bfloat16)
    fast_loss, fast = loss_and_gradients(model, batch, objective)
    torch.testing.assert_close(fast_loss.float(), plain_loss, rtol=0.01, atol=0.01)
    whole = torch.cat([gradient.flatten() for gradient in plain.values()])
    found = torch.cat([fast[name].flatten() for name in plain])
    assert found.dtype == torch.float32
    assert nn.functional.cosine_similarity(found, whole, dim=0) > 0.999


def test_evaluation_without_gradients(make_model, batch, family):
    model = make_model(family, "labels")
    long = {name: tensor.repeat(1, 5) for name, tensor in batch.items()}
    with torch.no_grad():
        plain = model(**long).logits
        kernels.install(model, seed=0, dtype=torch.float32)
        torch.testing.assert_close(model(**long).logits, plain, rtol=1e-4, atol=1e-5)


def test_the_model_stays_a_hugging_face_model(make_model, batch, family, tmp_path):
    model = make_model(family, "mlm")
    parameters = dict(model.named_parameters())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plain = model(**batch).logits
    kernels.install(model, seed=0)
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert model.state_dict().keys() == before.keys()
    model.save_pretrained(tmp_path)
    assert "steep" not in (tmp_path / "config.json").read_text()
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(**batch).logits, plain, rtol=1e-5, atol=1e-6)


def test_remove_gives_the_plain_model_back(make_model, batch, family):
    model = make_model(family, "labels")
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    implementation = model.config._attn_implementation
    plain = model(**batch).logits
    kernels.install(model, seed=0)
    kernels.remove(model)
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes
    assert model.config._attn_implementation == implementation
    torch.testing.assert_close(model(**batch).logits, plain, rtol=0, atol=0)


def test_a_plain_model_with_the_same_config_works(make_model, batch):
    model = make_model("bert", "labels")
    plain = model(**batch).logits
    kernels.install(model, seed=0)
    other = type(model)(model.config).eval()
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(**batch).logits, plain, rtol=1e-5, atol=1e-6)


def test_a_deep_copy_computes_with_its_own_weights(make_model, batch):
    model = make_model("bert", "labels")
    kernels.install(model, seed=0)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.classifier.bias += 1
    difference = twin(**batch).logits - model(**batch).logits
    torch.testing.assert_close(difference, torch.ones_like(difference))


def test_frozen_layers_get_no_gradient(make_model, batch):
    model = make_model("bert", "labels")
    model.bert.requires_grad_(False)
    kernels.install(model, seed=0)
    _, gradients = loss_and_gradients(model, batch, "labels")
    assert gradients.keys() == {"classifier.weight", "classifier.bias"}


def test_weights_changed_in_place_are_seen(make_model, batch):
    """A cache of cast weights would miss optimisers that write to `.data`."""
    model = make_model("bert", "labels")
    kernels.install(model, seed=0)
    before = model(**batch).logits
    for parameter in model.bert.parameters():
        parameter.data.mul_(0.5)
    assert not torch.allclose(model(**batch).logits, before)


def test_heads_that_share_keys_and_values_compute_as_hugging_face_has_them():
    from transformers import EuroBertConfig, EuroBertModel

    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 50}
    config = EuroBertConfig(**sizes, num_attention_heads=4, num_key_value_heads=2, pad_token_id=0)
    torch.manual_seed(0)
    model = EuroBertModel(config).eval()
    ids = torch.randint(1, 50, (3, 20))
    mask = (torch.arange(20) < torch.tensor([[20], [13], [7]])).long()
    plain = model(input_ids=ids, attention_mask=mask).last_hidden_state
    kernels.install(model, 0, torch.float32)
    fast = model(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(fast[mask.bool()], plain[mask.bool()], atol=2e-5, rtol=1e-4)
    fast.sum().backward()
