"""Is the chunked cross entropy torch's cross entropy?"""

import pytest
import torch
from torch.nn import functional

from steep.models.kernels import cross_entropy


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
