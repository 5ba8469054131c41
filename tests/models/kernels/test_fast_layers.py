"""Is the dropout of the fast layers dropout, reproducibly, and their loss torch's cross entropy?"""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from steep.models import kernels
from steep.models.kernels import cross_entropy
from steep.models.kernels.attention import TILE, attention
from steep.models.kernels.fast_layers import Compute, dropout, dropped_share, residual_norm


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_mean_and_variance(rate):
    count = 2_000_000
    kept = dropout(nn.Dropout(rate), Compute(0, torch.float32), torch.ones(count))
    share = dropped_share(rate)
    assert abs(share - rate) < 1 / 512
    error = math.sqrt(share * (1 - share) / count)
    assert abs((kept == 0).float().mean() - share) < 5 * error
    assert abs(kept.mean() - 1) < 5 * error / (1 - share)
    assert kept.var().item() == pytest.approx(share / (1 - share), rel=0.01)


def test_neighbours_and_draws_are_independent():
    compute = Compute(0, torch.float32)
    first, second = (compute.bits(n).keep(torch.Size([10**6]), 0.1, torch.float32) for n in (1, 2))
    pairs = [(first[:-lag], first[lag:]) for lag in (1, 2, 4, 8, 64)] + [(first, second)]
    for left, right in pairs:
        assert abs(torch.corrcoef(torch.stack([left, right]))[0, 1]) < 0.005


def test_no_dropout_in_evaluation():
    x = torch.randn(10)
    assert dropout(nn.Dropout(0.5).eval(), Compute(0, torch.float32), x) is x


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def step(model, batch) -> list[torch.Tensor]:
    model.zero_grad()
    model(**batch).logits.float().sum().backward()
    return [
        parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None
    ]


def test_same_for_any_number_of_threads(make_model, batch, family, two_threads):
    model = make_model(family, "labels").train()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        kernels.install(model, seed=3, dtype=torch.float64)
        found.append(step(model.double(), batch))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)


def test_follows_from_seed_and_count(make_model, batch):
    model = make_model("bert", "labels").train()

    def run(seed: int, drawn: int = 0) -> torch.Tensor:
        kernels.install(model, seed, torch.float32).drawn = drawn
        return model(**batch).logits

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))
    compute = kernels.install(model, 0, torch.float32)
    model(**batch)
    drawn = compute.drawn
    assert torch.equal(model(**batch).logits, run(0, drawn))


def test_all_dropout_of_the_model_is_ours(make_model, batch, family):
    """torch's own generator is not drawn from, so nothing depends on its state."""
    model = make_model(family, "labels").train()
    kernels.install(model, seed=0)
    before = torch.get_rng_state()
    model(**batch)
    assert torch.equal(torch.get_rng_state(), before)


def test_gradient_of_attention_with_dropout():
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True) for _ in "qkv"
    )
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])[:, None, None]

    def run(*inputs):
        return attention(Compute(0, torch.float64), *inputs, mask, 0.3, 0.4)

    assert torch.autograd.gradcheck(run, (query, key, value))


def test_gradient_of_residual_norm_with_dropout():
    torch.manual_seed(0)
    x, residual = (torch.randn(4, 6, dtype=torch.float64, requires_grad=True) for _ in "xr")
    norm = nn.LayerNorm(6).double()
    nn.init.normal_(norm.weight)

    def run(x, residual, weight, bias):
        return residual_norm(norm, nn.Dropout(0.3), Compute(0, torch.float64), x, residual)

    assert torch.autograd.gradcheck(run, (x, residual, norm.weight, norm.bias))


def test_attention_over_many_tiles_is_attention():
    torch.manual_seed(0)
    length = 2 * math.isqrt(TILE) // 3
    inputs = [torch.randn(2, 3, length, 4, requires_grad=True) for _ in "qkv"]
    ours = attention(Compute(0, torch.float32), *inputs, None, 0.0, 0.5).transpose(1, 2)
    theirs = nn.functional.scaled_dot_product_attention(*inputs, scale=0.5)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    weights = torch.randn_like(theirs)
    for one, two in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((theirs * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 16, 53])
def test_equals_torch(count):
    torch.manual_seed(0)
    logits = torch.randn(count, 31, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 31, (count,))
    labels[1::3] = -100
    expected = functional.cross_entropy(logits, labels)
    (expected_gradient,) = torch.autograd.grad(3 * expected, logits)
    found = cross_entropy(logits, labels)
    (gradient,) = torch.autograd.grad(3 * found, logits)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, expected_gradient)


def test_bf16_logits_give_an_fp32_loss():
    torch.manual_seed(0)
    logits = torch.randn(40, 300).bfloat16().requires_grad_()
    labels = torch.randint(0, 300, (40,))
    loss = cross_entropy(logits, labels)
    loss.backward()
    assert loss.dtype == torch.float32 and logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(loss, functional.cross_entropy(logits.float(), labels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_word_that_the_model_thinks_impossible_has_its_loss(dtype):
    logits = torch.zeros(20, 7, dtype=dtype)
    logits[5, 3] = -900.0  # its probability is less than the least number there is
    labels = torch.full((20,), 3)
    found = cross_entropy(logits.requires_grad_(), labels)
    (gradient,) = torch.autograd.grad(found, logits)
    expected = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, logits)[0])


def test_no_label_at_all():
    logits = torch.randn(3, 5, requires_grad=True)
    loss = cross_entropy(logits, torch.full((3,), -100))
    loss.backward()
    assert loss == 0 and not logits.grad.any()
