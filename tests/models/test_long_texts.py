"""Are windows joined alike whatever their order, their neighbours and what fills a batch up?"""

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
from steep.models.long_texts import Joined, joining, load_joined

TASK = Task("single", ("a", "b", "c"))
WAYS = ["mean", "max", "attention"]


def classifier(folder: Path, how: str, pooling: str = "model") -> Classifier:
    model = load_classifier(folder, TASK, "eager", 0, pooling=pooling)
    joined = joining(f"sliding-{how}", model)
    assert joined is not None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in [*model.parameters(), *joined.parameters()]:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return Classifier(model, False, joined).eval()


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


@torch.no_grad()
def test_attention_starts_as_the_mean_and_then_weighs(tiny_bert: Path) -> None:
    joined = Joined("attention", 4)
    features, real = torch.randn(3, 4), torch.tensor([[True, True], [True, False]])
    expected = torch.stack([features[:2].mean(0), features[2]])
    torch.testing.assert_close(joined(features, real), expected)
    joined.query.weight.fill_(50.0)
    first = features[:2].sum(1).argmax()
    torch.testing.assert_close(joined(features, real)[0], features[first], atol=1e-3, rtol=0)


def test_every_weight_has_a_gradient(tiny_bert: Path) -> None:
    net = classifier(tiny_bert, "attention").train()
    net(rows(3, 2, 3)).pow(2).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    assert net.joined is not None
    assert net.joined.query.weight.grad.abs().max() > 0


@torch.no_grad()
def test_the_fast_layers_join_as_the_plain_ones(tiny_bert: Path) -> None:
    net, batch = classifier(tiny_bert, "attention"), rows(3, 1, 3)
    before = net(batch)
    kernels.install(net.model, 0, torch.float32)
    torch.testing.assert_close(net(batch), before, atol=1e-4, rtol=0)


def test_the_attention_is_kept_beside_the_checkpoint(tiny_bert: Path, tmp_path: Path) -> None:
    net = classifier(tiny_bert, "attention")
    assert net.joined is not None
    net.joined.save(tmp_path)
    again = load_joined(tmp_path, "sliding-attention", net.model)
    assert again is not None
    assert torch.equal(again.query.weight, net.joined.query.weight)
    assert load_joined(tmp_path / "none", "head", net.model) is None
    with pytest.raises(SteepError, match="cannot be read"):
        load_joined(tmp_path / "none", "sliding-attention", net.model)
