"""Is `classify.learner` a plain fastai Learner that trains what it should, and nothing else?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch.nn.functional import cross_entropy

from steep.args import FitArgs
from steep.data.corpus import Data
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.models.checkpoints import load_tokenizer
from steep.models.devices import choose
from steep.models.heads import predict
from steep.options import change, make
from steep.train import classify, phases
from steep.train.losses import loss_for

ARGS = make(
    FitArgs,
    pooling="model",
    max_length=32,
    batch_size=16,
    learning_rate=0.002,
    device="cpu",
    precision="fp32",
)
KINDS = ("single", "multi", "graded")


def learner(data: Data, checkpoint: Path, args: FitArgs = ARGS) -> Learner:
    return classify.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


@pytest.fixture(params=KINDS)
def data(request: pytest.FixtureRequest) -> Data:
    return request.getfixturevalue(request.param)


@pytest.fixture
def learn(data: Data, tiny_bert: Path) -> Learner:
    torch.manual_seed(0)
    return learner(data, tiny_bert, ARGS)


def test_every_call_of_fastai_works(
    data: Data, learn: Learner, capsys: pytest.CaptureFixture[str]
) -> None:
    with learn.no_bar(), learn.no_logging():
        before = {name: p.detach().clone() for name, p in learn.model.named_parameters()}
        found = learn.lr_find(start_lr=1e-6, end_lr=1e-1, num_it=12, show_plot=False)
        assert 1e-6 < found.valley < 1e-1
        assert all(torch.equal(before[n], p) for n, p in learn.model.named_parameters())
        learn.freeze_to(-1)
        learn.fit_one_cycle(1, 1e-3)
        learn.unfreeze()
        learn.fit_one_cycle(2, phases.discriminative(learn, 2e-3))
        loss, metric = learn.validate()
        learn.show_results(max_n=3)
    assert np.isfinite([loss, metric]).all()
    shown = capsys.readouterr().out
    texts = list(data.valid.table["text"])
    longest = max(texts, key=lambda text: len(text.split()))
    assert " ".join(longest.split()[:2]) in " ".join(shown.split())
    if data.labelled().kind == "single":
        assert "positive" in shown or "negative" in shown


def test_get_preds_keeps_the_files_order(data: Data, learn: Learner) -> None:
    with learn.no_bar():
        for ds_idx, corpus in ((0, data.train), (1, data.valid)):
            outputs, targets = learn.get_preds(ds_idx=ds_idx)
            np.testing.assert_allclose(targets.numpy(), corpus.labels(), rtol=1e-6)
            rows = Rows(corpus, data.labelled(), load_tokenizer(learn.model.model.name_or_path), 32)
            own = predict(learn.model.model, rows, choose(ARGS.machine), 7)
            if data.labelled().kind == "regression":
                own = own * learn.loss_func.deviation[0] + learn.loss_func.mean[0]
            np.testing.assert_allclose(outputs.numpy(), own, rtol=1e-4, atol=1e-4)


def test_it_learns(tiny_bert: Path, single: Data) -> None:
    torch.manual_seed(0)
    learn = learner(single, tiny_bert, ARGS)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(6, 5e-3)
        # numbers: a tensor kept of each step keeps freed memory in pieces (benchmarks/README.md)
        assert {type(loss) for loss in learn.recorder.losses} == {float}
        _, accuracy = learn.validate()
    assert accuracy > 0.85


def test_every_parameter_moves(learn: Learner, weights: Callable, moved: Callable) -> None:
    before = weights(learn.model)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 1e-3)
    assert moved(before, learn.model) == before.keys()


def test_what_is_frozen_does_not_move(
    tiny_bert: Path, single: Data, weights: Callable, moved: Callable
) -> None:
    learn = learner(single, tiny_bert, ARGS)
    name_of = {id(p): name for name, p in learn.model.named_parameters()}
    groups = [{name_of[id(p)] for p in g} for g in learn.splitter(learn.model)]
    with learn.no_bar(), learn.no_logging():
        # After an epoch of everything there are moments and gradients (of zeros) for all.
        for frozen in (1, 2, 3):
            learn.unfreeze()
            learn.fit(1, 1e-3)
            learn.freeze_to(frozen)
            before = weights(learn.model)
            learn.fit(1, 1e-3)
            assert moved(before, learn.model) == set().union(*groups[frozen:])


def test_steps_are_adam_w_without_decay_on_biases_and_norms(
    still_bert: Path, single: Data, weights: Callable
) -> None:
    args = change(ARGS, {"weight_decay": 50.0})  # so much that it cannot be overlooked
    ours, theirs = (learner(single, still_bert, args) for _ in range(2))
    start = weights(ours.model)
    with ours.no_bar(), ours.no_logging():
        ours.fit(1, 1e-3)
    model = theirs.model.train()
    groups: dict[float, list[torch.nn.Parameter]] = {50.0: [], 0.0: []}
    for name, parameter in model.named_parameters():
        groups[0.0 if name.endswith("bias") or "LayerNorm" in name else 50.0].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": params, "weight_decay": decay} for decay, params in groups.items()], lr=1e-3
    )
    for inputs, labels in theirs.dls.train:
        optimizer.zero_grad()
        cross_entropy(torch.Tensor(model(inputs)), torch.Tensor(labels).long()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    for name, expected in weights(model).items():
        if not name.endswith("key.bias"):  # its true gradient is zero: the sign is noise
            torch.testing.assert_close(weights(ours.model)[name], expected, atol=1e-5, rtol=0)
    name = "model.bert.encoder.layer.0.output.dense.weight"
    assert weights(ours.model)[name].norm() < 0.8 * start[name].norm()


def test_one_cycle_leaves_beta_alone(learn: Learner) -> None:
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1, 1e-3)
    assert set(learn.recorder.hps["mom"]) == {0.9}


def test_every_epoch_has_an_order_of_its_own(tiny_bert: Path, single: Data) -> None:
    orders: list[list[int]] = []
    for _ in range(2):
        learn = learner(single, tiny_bert, ARGS)
        seen: list[int] = []
        learn.add_cb(Labels(seen))
        with learn.no_bar(), learn.no_logging():
            learn.fit(1, 1e-4)
            learn.fit(1, 1e-4)
        orders.append(seen)
    assert orders[0] == orders[1]
    half = len(single.train)
    assert orders[0][:half] != orders[0][half:]


class Labels(Callback):
    """Keeps the labels of the training rows as they come."""

    run_valid = False

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def before_batch(self) -> None:
        self.seen += self.yb[0].tolist()


def test_what_does_not_fit_is_refused(tiny_bert: Path, single: Data, tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="max_length 65"):
        learner(single, tiny_bert, change(ARGS, {"max_length": 65}))
    with pytest.raises(SteepError, match="--label"):
        learner(replace(single, task=None), tiny_bert, ARGS)
    with pytest.raises(SteepError, match=r"no config\.json"):
        learner(single, tmp_path, ARGS)


def test_the_loss_of_targets_is_in_deviations_from_the_mean(graded: Data) -> None:
    labels = graded.train.labels()
    loss = loss_for(graded.labelled(), labels, ARGS.tune.loss)
    targets = torch.from_numpy(labels)
    perfect = (targets - labels.mean()) / labels.std()
    assert float(loss(perfect[:, None].float(), targets)) == pytest.approx(0, abs=1e-9)
    assert float(loss(torch.zeros(len(labels), 1), targets)) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(loss.activation(perfect[:, None].float()), labels, rtol=1e-5)


def test_targets_that_are_all_alike_give_a_finite_loss(graded: Data) -> None:
    loss = loss_for(graded.labelled(), np.full(5, 3.0), ARGS.tune.loss)
    assert float(loss(torch.zeros(5, 1), torch.full((5,), 3.0))) == 0.0
