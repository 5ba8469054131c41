"""Is the optimiser AdamW, with decay where it belongs, and does it leave frozen weights alone?"""

import torch
from fastai.callback.progress import ProgressCallback  # noqa: F401  # brings no_bar
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.optimizer import Optimizer
from torch import nn

from steep.train.engine import AdamW, Clip


def small_net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 1))


def train(net: nn.Module, steps: int, optimizer: Optimizer | torch.optim.Optimizer) -> None:
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(16, 6, generator=draw)
        net(x).sub(x.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_it_is_torchs_adam_w() -> None:
    ours, theirs = small_net(), small_net()
    train(ours, 20, AdamW([list(ours.parameters())], lr=1e-2, wd=0.1))
    kept = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}
    train(theirs, 20, torch.optim.AdamW(theirs.parameters(), **kept))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-6)
    start = small_net()
    assert not torch.allclose(next(ours.parameters()), next(start.parameters()), atol=1e-2)


def test_each_group_has_its_own_rate() -> None:
    net, start = small_net(), small_net()
    lower, upper = list(net[0].parameters()), [*net[1].parameters(), *net[2].parameters()]
    optimizer = AdamW([lower, upper], lr=1e-2, wd=0.0)
    optimizer.set_hyper("lr", [0.0, 1e-2])
    train(net, 3, optimizer)
    assert torch.equal(net[0].weight, start[0].weight)
    assert not torch.equal(net[2].weight, start[2].weight)


def test_a_frozen_parameter_with_a_gradient_left_over_stays() -> None:
    net = small_net()
    optimizer = AdamW([list(net[0].parameters()), list(net[2].parameters())], lr=1e-2, wd=0.1)
    train(net, 2, optimizer)
    optimizer.freeze_to(1)
    net[0].weight.grad = torch.zeros_like(net[0].weight)
    before = net[0].weight.detach().clone()
    train(net, 3, optimizer)
    assert torch.equal(net[0].weight, before), "neither momentum nor decay may move it"


def clipped(most: float, steps: int) -> tuple[nn.Module, list[float]]:
    """The net after steps whose gradients have been clipped by torch, and their norms before."""
    net, draw, norms = small_net(), torch.Generator().manual_seed(1), []
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(steps):
        x = torch.randn(16, 6, generator=draw)
        net(x).sub(x.sum(1, keepdim=True)).pow(2).mean().backward()
        norms.append(nn.utils.clip_grad_norm_(net.parameters(), most).item())
        optimizer.step()
        optimizer.zero_grad()
    return net, norms


def test_gradients_are_bounded_as_torch_bounds_them() -> None:
    draw = torch.Generator().manual_seed(1)
    theirs, norms = clipped(3.0, 20)
    assert min(norms) < 3 < max(norms), "some steps must be clipped, and some not"
    inputs = [torch.randn(16, 6, generator=draw) for _ in range(20)]
    rows = [(x[i], x[i].sum().reshape(1)) for x in inputs for i in range(16)]
    learner = Learner(
        DataLoaders(DataLoader(rows, batch_size=16), DataLoader(rows, batch_size=16)),
        small_net(),
        loss_func=nn.MSELoss(),
        opt_func=AdamW,
        cbs=Clip(3.0),
        train_bn=False,
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-2, wd=0)
    for one, other in zip(learner.model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
