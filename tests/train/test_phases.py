"""Does what the phase says train in every epoch, at the rate that each schedule says?"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import combined_cos
from fastai.learner import Learner
from torch import nn

from steep.args import FitArgs, MachineArgs, TuneArgs
from steep.args.training import LayerArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import change, make
from steep.train import classify, engine, phases
from steep.train.callbacks import Bar
from steep.train.phases import Phase, schedule, unfreezing
from steep.train.readings import readings_of

ARGS = make(
    FitArgs, max_length=32, batch_size=16, learning_rate=0.001, device="cpu", precision="fp32"
)
GROUPS = 4  # of the tiny BERT: embeddings, two layers, head


def learner(data: Data, checkpoint: Path, args: FitArgs = ARGS) -> Learner:
    return classify.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


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


CPU = choose(MachineArgs(device="cpu"))
LANDMARKS = [  # name, share at the start, in the middle of the rise, of the fall, at the end
    ("one-cycle", 1 / 25, 0.52, 0.500005, 1e-5),
    ("slanted", 1 / 32, 33 / 64, 33 / 64, 1 / 32),
    ("linear", 0.0, 0.5, 0.5, 0.0),
    ("cosine", 0.0, 0.5, 0.5, 0.0),
]


@pytest.mark.parametrize(("name", "start", "rising", "falling", "end"), LANDMARKS)
def test_a_schedule_hits_its_landmarks(
    name: str, start: float, rising: float, falling: float, end: float
) -> None:
    rate = schedule(name, warmup=0.2)
    found = [rate(done) for done in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert found == pytest.approx([start, rising, 1.0, falling, end], abs=1e-9)
    values = [rate(done) for done in np.linspace(0, 1, 101)]
    assert int(np.argmax(values)) == 20
    assert np.all(np.diff(values[:21]) > 0)
    assert np.all(np.diff(values[20:]) < 0)


@pytest.mark.parametrize("name", [line[0] for line in LANDMARKS])
def test_without_warmup_a_schedule_starts_at_its_peak(name: str) -> None:
    assert schedule(name, warmup=0.0)(0.0) == pytest.approx(1.0)


def test_one_cycle_is_fastais() -> None:
    theirs, ours = combined_cos(0.25, 1 / 25, 1.0, 1e-5), schedule("one-cycle", 0.25)
    for done in np.linspace(0, 1, 50):
        assert ours(done) == pytest.approx(theirs(done), abs=1e-7)


def test_constant_stays_at_its_peak_once_it_is_there() -> None:
    found = [schedule("constant", warmup=0.2)(done) for done in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert found == pytest.approx([0.0, 0.5, 1.0, 1.0, 1.0])


def test_cosine_and_linear_differ_between_their_landmarks() -> None:
    assert schedule("cosine", 0.0)(0.25) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert schedule("linear", 0.0)(0.25) == pytest.approx(0.75)


def test_lower_layers_learn_slower(tiny_bert: Path, single: Data) -> None:
    learn = classify.learner(single, tiny_bert, make(TuneArgs, max_length=32), CPU, 0)
    rates = phases.discriminative(learn, 1e-3, 0.5)
    assert rates == pytest.approx([1.25e-4, 2.5e-4, 5e-4, 1e-3])  # embeddings, 2 layers, head
    assert phases.discriminative(learn, 1e-3, 1.0) == pytest.approx([1e-3] * 4)


class Rates(Callback):
    """Keeps the rate of the head at every step of the optimiser."""

    order = 100  # after whoever may cancel the step

    def before_fit(self) -> None:
        self.steps: list[float] = []
        self.lowest: list[float] = []

    def before_step(self) -> None:
        self.steps.append(float(self.opt.hypers[-1]["lr"]))
        self.lowest.append(float(self.opt.hypers[0]["lr"]))


@pytest.mark.parametrize("accumulate", [1, 2, 4, 8])
def test_the_rates_of_a_run_are_those_of_its_steps(
    tiny_bert: Path, single: Data, accumulate: int
) -> None:
    tune = make(TuneArgs, max_length=32, batch_size=16, gradient_accumulation_steps=accumulate)
    learn = classify.learner(single, tiny_bert, tune, CPU, 0)
    per_epoch = math.ceil(len(single.train) / 16)
    assert len(single.train) % 16, "the last batch is to be a ragged one"
    rate, seen = schedule("slanted", 0.25), Rates()
    lrs = phases.discriminative(learn, 1e-4, 0.5)
    scheduler = phases.scheduler(lrs, rate, 2, len(learn.dls.train))
    engine.run_fit(learn, 2, scheduler, Bar(readings_of(learn), "fitting"), [seen])
    middle = [(step + 0.5) / (2 * per_epoch) for step in range(2 * per_epoch)]
    assert seen.steps == pytest.approx([1e-4 * rate(done) for done in middle])
    assert seen.lowest == pytest.approx([1.25e-5 * rate(done) for done in middle])
