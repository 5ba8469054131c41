"""Does in every epoch train what the phase says, and nothing else?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import nn

from steep.args import FitArgs
from steep.args.training import LayerArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import change, make
from steep.train import classify, engine, phases
from steep.train.phases import Phase, unfreezing

ARGS = make(
    FitArgs, max_length=32, batch_size=16, learning_rate=0.001, device="cpu", precision="fp32"
)
GROUPS = 4  # of the tiny BERT: embeddings, two layers, head


def learner(data: Data, checkpoint: Path, args: FitArgs = ARGS) -> Learner:
    return engine.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


def train(learn: Learner, data: Data, args: FitArgs) -> None:
    classify.train(learn, data, args.tune, args.metric.metric, args.seed.seed)


def test_the_phases_of_each_way() -> None:
    assert unfreezing("none", 3, 4) == [Phase(3, 0, 4)]
    assert unfreezing("never", 3, 4) == [Phase(3, 3, 4)]
    steps = [Phase(1, 3, 4), Phase(1, 2, 4), Phase(1, 1, 4), Phase(3, 0, 4)]
    assert unfreezing("gradual", 6, 4) == steps
    assert unfreezing("gradual", 2, 4) == [Phase(1, 3, 4), Phase(1, 2, 4)]
    alone = [Phase(1, 3, 4), Phase(1, 0, 1), Phase(1, 1, 2), Phase(1, 2, 3)]
    assert unfreezing("chain-thaw", 7, 4) == [*alone, Phase(3, 0, 4)]
    with pytest.raises(SteepError, match="epochs must be at least 5 .* not 4"):
        unfreezing("chain-thaw", 4, 4)


def test_each_phase_runs_through_the_schedule() -> None:
    phased = phases.in_every_phase([Phase(1, 1, 2), Phase(3, 0, 2)], lambda done: done)
    found = [phased(done) for done in (0.0, 0.125, 0.25, 0.625, 1.0)]
    assert found == pytest.approx([0.0, 0.5, 0.0, 0.5, 1.0])


def test_the_epochs_of_the_head_are_a_phase_of_their_own_rate() -> None:
    layers = LayerArgs(head_epochs=2, head_learning_rate=0.01)
    found = phases.phases_of(layers, 4, 5, 0.001)
    assert found == [Phase(2, 3, 4, 10.0), Phase(3, 0, 4)]
    schedule = phases.in_every_phase(found, lambda done: 1 - done)
    assert [schedule(done) for done in (0.0, 0.2, 0.4, 0.7)] == pytest.approx([10, 5, 1, 0.5])
    with pytest.raises(SteepError, match="not with gradual"):
        phases.phases_of(replace(layers, unfreeze="gradual"), 4, 5, 0.001)
    with pytest.raises(SteepError, match="give --epochs 6"):
        phases.phases_of(replace(layers, head_epochs=5), 4, 5, 0.001)


def test_the_head_is_alone_until_a_lower_layer_trains() -> None:
    assert phases.head_alone(unfreezing("never", 5, 4), 4) == 5
    assert phases.head_alone(unfreezing("gradual", 5, 4), 4) == 1
    assert phases.head_alone(unfreezing("none", 5, 4), 4) == 0
    assert phases.head_alone([Phase(2, 3, 4), Phase(3, 0, 4), Phase(1, 3, 4)], 4) == 2


class Watch(Callback):
    """Which parameters moved in each epoch, and which modules were in training mode."""

    order, run_valid = 50, False

    def __init__(self) -> None:
        self.moved: list[set[str]] = []
        self.training: list[set[str]] = []

    def before_train(self) -> None:
        self.before = {n: p.detach().clone() for n, p in self.model.named_parameters()}
        dropouts = (nn.Dropout, nn.LayerNorm)
        self.training.append(
            {n for n, m in self.model.named_modules() if m.training and isinstance(m, dropouts)}
        )

    def after_train(self) -> None:
        now = dict(self.model.named_parameters())
        self.moved.append({n for n, p in self.before.items() if not torch.equal(p, now[n])})


WAYS = [{"unfreeze": way} for way in ("gradual", "chain-thaw", "never")]


@pytest.mark.parametrize("way", [*WAYS, {"head_epochs": 2}])
def test_what_trains_moves_and_nothing_else(single: Data, tiny_bert: Path, way: dict) -> None:
    args = change(ARGS, {"epochs": 6, **way})
    learn, watch = learner(single, tiny_bert, args), Watch()
    learn.add_cb(watch)
    name_of = {id(p): name for name, p in learn.model.named_parameters()}
    groups = [{name_of[id(p)] for p in group} for group in learn.splitter(learn.model)]
    train(learn, single, args)
    expected = [
        p for p in phases.phases_of(args.tune.layers, GROUPS, 6, 0.001) for _ in range(p.epochs)
    ]
    for phase, moved, training in zip(expected, watch.moved, watch.training, strict=True):
        assert moved == set().union(*groups[phase.first : phase.end])
        for number, part in ((0, "embeddings"), (1, "layer.0."), (2, "layer.1.")):
            active = any(part in name for name in training)
            assert active == (phase.first <= number < phase.end), (phase, part)
        assert "model.dropout" in training
    assert all(parameter.requires_grad for parameter in learn.model.parameters())


def test_fastais_own_freezing_turns_dropout_off_too(single: Data, tiny_bert: Path) -> None:
    learn, watch = learner(single, tiny_bert, ARGS), Watch()
    learn.freeze_to(2)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 1e-3, cbs=[watch])
    assert not any("embeddings" in name or "layer.0." in name for name in watch.training[0])
    assert any("layer.1." in name for name in watch.training[0])


def test_a_batch_in_parts_is_the_batch_while_layers_unfreeze(
    single: Data, still_bert: Path, weights: Callable
) -> None:
    trained = []
    for accumulate in (1, 4):
        options = {"unfreeze": "gradual", "epochs": 4, "learning_rate": 1e-4}
        options |= {"batch_size": 8, "gradient_accumulation_steps": accumulate}
        args = change(ARGS, options | {"schedule": "slanted"})
        learn = learner(single, still_bert, args)
        train(learn, single, args)
        trained.append(weights(learn.model))
    start = weights(learner(single, still_bert, ARGS).model)
    names = [n for n in start if not n.endswith("key.bias")]  # its gradient is rounding alone
    for name in names:
        torch.testing.assert_close(trained[0][name], trained[1][name], atol=2e-6, rtol=0, msg=name)
    assert min((trained[0][name] - start[name]).abs().max() for name in names) > 1e-5


def test_without_unfreezing_all_trains_as_before(
    single: Data, tiny_bert: Path, weights: Callable
) -> None:
    learn, watch = learner(single, tiny_bert, ARGS), Watch()
    learn.add_cb(watch)
    train(learn, single, change(ARGS, {"epochs": 1}))
    assert watch.moved[0] == weights(learn.model).keys()
    assert np.isfinite(learn.recorder.losses).all()
