"""Does the learning rate start, rise and end where each schedule says?"""

import math
from pathlib import Path

import numpy as np
import pytest
from fastai.callback.core import Callback
from fastai.callback.schedule import combined_cos

from steep.args import TuneArgs
from steep.args.running import MachineArgs
from steep.data.corpus import Data
from steep.models.devices import choose
from steep.options import make
from steep.train import engine, schedules
from steep.train.callbacks import Bar
from steep.train.schedules import schedule

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
    learn = engine.learner(single, tiny_bert, make(TuneArgs, max_length=32), CPU, 0)
    rates = schedules.discriminative(learn, 1e-3, 0.5)
    assert rates == pytest.approx([1.25e-4, 2.5e-4, 5e-4, 1e-3])  # embeddings, 2 layers, head
    assert schedules.discriminative(learn, 1e-3, 1.0) == pytest.approx([1e-3] * 4)


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
    learn = engine.learner(single, tiny_bert, tune, CPU, 0)
    per_epoch = math.ceil(len(single.train) / 16)
    assert len(single.train) % 16, "the last batch is to be a ragged one"
    rate, seen = schedule("slanted", 0.25), Rates()
    lrs = schedules.discriminative(learn, 1e-4, 0.5)
    scheduler = schedules.scheduler(lrs, rate, 2, len(learn.dls.train))
    engine.run_fit(learn, 2, scheduler, Bar("fitting"), [seen])
    middle = [(step + 0.5) / (2 * per_epoch) for step in range(2 * per_epoch)]
    assert seen.steps == pytest.approx([1e-4 * rate(done) for done in middle])
    assert seen.lowest == pytest.approx([1.25e-5 * rate(done) for done in middle])
