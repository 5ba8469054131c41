"""Is each loss what its paper and torch say, and does a weight of 0 leave a row out?"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.learner import Learner
from torch import Tensor
from torch.nn import functional

from steep.args import FitArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import LossArgs
from steep.data.corpus import Data, Task
from steep.data.load import load
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import change, make
from steep.train import classify, losses
from steep.train.losses import Loss

ARGS = make(FitArgs, max_length=32, batch_size=16, device="cpu", precision="fp32")
SINGLE, MULTI = Task("single", ("a", "b", "c")), Task("multi", ("a", "b", "c"))


def learner(data: Data, checkpoint: Path, args: FitArgs = ARGS) -> Learner:
    return classify.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def classes() -> Tensor:
    return torch.arange(20) % 3


@pytest.fixture
def labels() -> Tensor:
    return (torch.arange(60).reshape(20, 3) % 4 == 0).float()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_single_labels_cost_what_torch_says(
    logits: Tensor, classes: Tensor, smoothing: float
) -> None:
    found = Loss(SINGLE, LossArgs(label_smoothing=smoothing))(logits, classes)
    torch.testing.assert_close(
        found, functional.cross_entropy(logits, classes, label_smoothing=smoothing)
    )


@pytest.mark.parametrize("rows", [2, 3])
def test_weights_are_of_rows_where_there_are_several_targets(rows: int) -> None:
    """With as many rows as targets, they were taken for weights of the targets."""
    errors = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])[:rows]
    weights = torch.tensor([0.0, 2.0, 1.0])[:rows]
    loss = Loss(Task("regression", ("a", "b")), LossArgs())
    found = loss(errors, torch.zeros(rows, 2), weights)
    torch.testing.assert_close(found, (errors**2 * weights[:, None]).mean())


def test_rows_of_weight_0_do_not_set_the_scale_of_a_regression() -> None:
    labels, weights = np.array([0.0, 1.0, 0.0, 1.0, -99999.0]), np.array([1.0, 1, 1, 1, 0])
    task = Task("regression", ("stars",))
    found = losses.loss_for(task, labels, LossArgs(), weights)
    assert (found.mean, found.deviation) == ((0.5,), (0.5,))
    with pytest.raises(SteepError, match="each of the 5 training rows has weight 0"):
        losses.loss_for(task, labels, LossArgs(), 0 * weights)


def test_class_weights_are_those_of_torch(logits: Tensor, classes: Tensor) -> None:
    """As row weights of mean 1 they give torch's loss, which divides by their sum."""
    per_class = torch.tensor([1.0, 4.0, 0.5])
    rows = per_class[classes] / per_class[classes].mean()
    found = Loss(SINGLE, LossArgs())(logits, classes, rows)
    torch.testing.assert_close(found, functional.cross_entropy(logits, classes, per_class))


def test_several_labels_cost_what_torch_says(logits: Tensor, labels: Tensor) -> None:
    expected = functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(Loss(MULTI, LossArgs())(logits, labels), expected)
    positive = torch.tensor([1.0, 7.0, 2.0])
    expected = functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=positive)
    weights = torch.where(labels > 0, positive, 1.0)
    torch.testing.assert_close(Loss(MULTI, LossArgs())(logits, labels, weights), expected)


def test_smoothed_labels_are_a_little_of_both(logits: Tensor, labels: Tensor) -> None:
    found = Loss(MULTI, LossArgs(label_smoothing=0.2))(logits, labels)
    expected = functional.binary_cross_entropy_with_logits(logits, labels * 0.8 + 0.1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("task", [SINGLE, MULTI])
def test_focal_with_gamma_0_is_cross_entropy(
    task: Task, logits: Tensor, classes: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = classes if task is SINGLE else labels
    plain = Loss(task, LossArgs())(logits, targets)
    focal = Loss(task, LossArgs(loss="focal"))
    assert focal(logits, targets) < plain
    monkeypatch.setattr(losses, "GAMMA", 0.0)
    torch.testing.assert_close(focal(logits, targets), plain, rtol=0, atol=0)


@pytest.mark.parametrize("gamma", [1.5, 2.0])
def test_focal_is_its_formula(
    logits: Tensor, classes: Tensor, labels: Tensor, gamma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert losses.GAMMA == 2.0
    monkeypatch.setattr(losses, "GAMMA", gamma)
    args = LossArgs(loss="focal")
    p = logits.softmax(-1)[torch.arange(20), classes]
    expected = (-((1 - p) ** gamma) * p.log()).mean()
    torch.testing.assert_close(Loss(SINGLE, args)(logits, classes), expected)
    p = torch.where(labels > 0, logits.sigmoid(), 1 - logits.sigmoid())
    expected = (-((1 - p) ** gamma) * p.log()).mean()
    torch.testing.assert_close(Loss(MULTI, args)(logits, labels), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_has_a_gradient_where_nothing_is_in_doubt(gamma: float) -> None:
    sure = torch.tensor([[60.0, -60.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0]])
    (
        losses.cross_entropy(sure, targets, gamma)
        + losses.binary_cross_entropy(sure, targets, gamma).sum()
    ).sum().backward()
    assert torch.isfinite(sure.grad).all()


def test_equal_weights_are_none(logits: Tensor, classes: Tensor) -> None:
    loss = Loss(SINGLE, LossArgs())
    torch.testing.assert_close(loss(logits, classes, torch.ones(20)), loss(logits, classes))


def weighted(path: Path, rows: list, weights: list[int]) -> Data:
    lines = [f'{i},"{text}",{label},{w}' for (i, text, label), w in zip(rows, weights, strict=True)]
    path.write_text("\n".join(["id,text,label,w", *lines]) + "\n")
    table = make(TableArgs, label="label", sample_weight="w")
    return load(path, table, make(SplitArgs, valid_share=0.1, test_share=0.0))


def test_a_row_of_weight_0_is_as_if_it_were_not_there(
    tmp_path: Path, tiny_rows: list, still_bert: Path
) -> None:
    data = weighted(tmp_path / "w.csv", tiny_rows, [int(i % 3 > 0) for i in range(200)])
    kept = data.train.weights() > 0
    without = replace(data, train=data.train.take(kept.nonzero()[0]))
    assert 0 < kept.sum() < len(kept)
    gradients = []
    for part in (data, without):
        learn = learner(part, still_bert, change(ARGS, {"batch_size": len(part.train)}))
        (batch,) = list(learn.dls.train)
        learn.loss_func(learn.model(batch[0]), *batch[1:]).backward()
        gradients.append({name: p.grad for name, p in learn.model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-3, atol=1e-6, msg=name)
    largest = max(float(g.abs().max()) for g in gradients[0].values())
    assert largest > 1e-3


def test_fastai_trains_and_shows_weighted_rows(
    tmp_path: Path, tiny_rows: list, tiny_bert: Path
) -> None:
    data = weighted(tmp_path / "w.csv", tiny_rows, [1 + i % 3 for i in range(200)])
    learn = learner(data, tiny_bert, change(ARGS, {"gradient_accumulation_steps": 2}))
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1, 1e-3)
        predictions, (labels, weights) = learn.get_preds(ds_idx=0)
        learn.show_results()
    learn.dls.show_batch()
    assert len(predictions) == len(labels) == len(data.train)
    assert weights.mean() == pytest.approx(1)


def test_probabilities_as_targets_and_what_counts_as_right() -> None:
    torch.manual_seed(0)
    outputs, task = torch.randn(5, 3), Task("single", ("a", "b", "c"))
    loss = Loss(task, LossArgs())
    shares = torch.rand(5, 3).softmax(-1)
    expected = -(shares * outputs.log_softmax(-1)).sum(-1).mean()
    assert float(loss(outputs, shares)) == pytest.approx(float(expected), rel=1e-6)
    classes = shares.argmax(-1)
    hard = torch.nn.functional.one_hot(classes, 3).float()
    assert float(loss(outputs, hard)) == pytest.approx(float(loss(outputs, classes)), rel=1e-6)
    assert loss.truth(shares).tolist() == loss.truth(classes).tolist() == classes.tolist()
    assert loss.accuracy(outputs, shares) == loss.accuracy(outputs, classes)
    several = Loss(Task("multi", ("a", "b")), LossArgs())
    assert several.truth(torch.tensor([[0.4, 0.5]])).tolist() == [[0, 1]]


def test_shares_of_ordered_classes_fall_with_their_distance() -> None:
    shares = losses.graded(torch.tensor([0, 2]), 4)
    assert shares.sum(-1).tolist() == pytest.approx([1, 1])
    assert shares.argmax(-1).tolist() == [0, 2]
    expected = [math.exp(-2 * d) for d in (0, 1, 2, 3)]
    assert shares[0].tolist() == pytest.approx([x / sum(expected) for x in expected])
    assert shares[1, 1] == shares[1, 3] > shares[1, 0]
    ordered = Loss(Task("single", ("1", "2", "3", "4"), ordered=True), LossArgs())
    outputs = torch.zeros(2, 4)
    outputs[0, 1], outputs[1, 3] = 5, 5  # of two wrong answers, the nearer one costs less
    near, far = ordered.of_rows(outputs, torch.tensor([0, 0])).tolist()
    assert near < far
