"""Are windows pooled alike whatever their order, their neighbours and what fills a batch up?"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models import kernels
from steep.models.checkpoints import load_classifier
from steep.models.heads import Classifier
from steep.models.long_texts import window_pooling

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
    return Classifier(model, False, pooled).eval()


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
