"""Does fp16 train as fp32 does, are overflowing steps skipped and counted, is a scale resumed?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner

import steep
from steep.args import FitArgs, MachineArgs
from steep.data.corpus import Data
from steep.errors import Stopped
from steep.models import devices
from steep.models.devices import Machine, choose
from steep.options import change, make
from steep.train import classify, phases, scaling
from steep.train.callbacks import Bar
from steep.train.engine import run_fit
from steep.train.readings import readings_of
from steep.train.saves import Saves
from steep.train.scaling import FIRST, LossScale

FP32 = Machine(torch.device("cpu"), bf16=False, attention="sdpa")
FP16 = Machine(torch.device("cpu"), bf16=False, attention="sdpa", fp16=True)
ARGS = make(FitArgs, epochs=1, batch_size=8, max_length=32, learning_rate=1e-3)


def learner(data: Data, checkpoint: Path, machine: Machine = FP16, args: FitArgs = ARGS) -> Learner:
    return classify.learner(data, checkpoint, args.tune, machine, 0)


def run(learn: Learner, *callbacks: Callback, epochs: int = 1, saves: Saves | None = None) -> None:
    rate = phases.schedule("constant", 0.0)
    rates = phases.scheduler(1e-3, rate, epochs, len(learn.dls.train))
    torch.manual_seed(0)
    run_fit(learn, epochs, rates, Bar(readings_of(learn), "fitting"), list(callbacks), saves)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(scaling, "say", lines.append)
    return lines


@pytest.mark.parametrize("parts", [1, 3])
def test_fp16_learns_what_fp32_learns(
    single: Data, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, parts: int, said: list[str]
) -> None:
    monkeypatch.setattr(scaling, "FIRST", 1024.0)  # at which nothing overflows here
    args = change(ARGS, {"gradient_accumulation_steps": parts})
    exact, rough = (learner(single, tiny_bert, machine, args) for machine in (FP32, FP16))
    run(exact)
    run(rough)
    assert rough.loss_scale.scale == 1024
    assert said == []
    for (name, one), other in zip(
        exact.model.named_parameters(), rough.model.parameters(), strict=True
    ):
        assert other.dtype == torch.float32
        assert (one - other).abs().mean() < 3e-4, name
    losses = np.array([exact.recorder.losses, rough.recorder.losses])
    assert 0 < np.abs(losses[0] - losses[1]).max() < 0.02


class Overflow(Callback):
    """The gradient of some steps overflows."""

    order = 0

    def __init__(self, steps: set[int], weights: Callable) -> None:
        self.steps, self.weights, self.seen = steps, weights, list[Any]()

    def before_step(self) -> None:
        if self.train_iter in self.steps:
            next(p for p in self.model.parameters() if p.grad is not None).grad[0] = float("inf")
            self.seen.append(self.weights(self.model))

    def after_batch(self) -> None:
        if self.training and self.train_iter - 1 in self.steps:
            self.seen.append(self.weights(self.model))


def test_steps_that_overflow_are_skipped_counted_and_said_once(
    single: Data,
    tiny_bert: Path,
    weights: Callable,
    moved: Callable,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scaling, "FIRST", 1024.0)
    learn, overflow = learner(single, tiny_bert), Overflow({2, 5}, weights)
    before = weights(learn.model)
    run(learn, overflow)
    for one, other in (overflow.seen[:2], overflow.seen[2:]):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert moved(before, learn.model)
    assert learn.loss_scale.skipped == 2
    assert learn.loss_scale.scale == 256
    (line,) = said
    assert "fp16: 2 steps skipped" in line


def test_the_scale_grows_again(
    single: Data, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "FIRST", 8.0)
    monkeypatch.setattr(scaling, "GROWTH", 5)
    learn = learner(single, tiny_bert)
    run(learn)
    assert learn.loss_scale.scale == 8 * 2 ** (len(learn.dls.train) // 5)


class StopAt(Callback):
    """Asks the saver to stop after a step, as a signal does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def before_batch(self) -> None:
        if self.training and self.train_iter == self.step:
            self.learn.saver.asked = 15


def test_a_resumed_run_has_its_scale(
    single: Data, tiny_bert: Path, tmp_path: Path, weights: Callable
) -> None:
    whole = learner(single, tiny_bert)
    run(whole, Overflow({1, 4, 9}, weights))
    saves = Saves(tmp_path / "saves", 60.0)
    with pytest.raises(Stopped):
        run(learner(single, tiny_bert), Overflow({1, 4, 9}, weights), StopAt(6), saves=saves)
    from steep.train.saves import read_state_header

    saves = Saves(tmp_path / "saves", 60.0, found=read_state_header(saves.file))
    again = learner(single, tiny_bert)
    run(again, Overflow({1, 4, 9}, weights), saves=saves)
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    for name in LossScale.saved:
        assert torch.equal(getattr(whole.loss_scale, name), getattr(again.loss_scale, name))
    assert whole.loss_scale.skipped >= 3
    assert whole.loss_scale.scale < FIRST


def test_the_precision_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(choose(MachineArgs(device="cpu", precision="fp16"))) == "cpu in fp16"
    assert not choose(MachineArgs(device="cpu", precision="fp16")).fast
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for native, found in ((True, "cuda in bf16"), (False, "cuda in fp16")):
        monkeypatch.setattr(devices, "_has_bf16", lambda device, native=native: native)
        assert str(choose(MachineArgs(device="cuda"))) == found
    assert str(choose(MachineArgs(device="cuda", precision="fp32"))) == "cuda in fp32"


def test_the_threads_are_those_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        choose(MachineArgs(device="cpu", threads=before + 1))
        assert torch.get_num_threads() == before + 1
        choose(MachineArgs(device="cpu"))
        assert torch.get_num_threads() == before + 1, "where none are asked for, nothing changes"
    finally:
        torch.set_num_threads(before)


def test_fit_predict_and_adapt_run_in_fp16(tiny_csv: Path, tiny_bert: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"device": "cpu", "precision": "fp16", "max_length": 32}
    steep.adapt(tiny_csv, tiny_bert, out=tmp_path / "adapted", max_steps=4, text="text", **how)
    steep.fit(
        tiny_csv, tmp_path / "adapted", out=tmp_path / "model", label="label", epochs=1, **how
    )
    steep.predict(
        tmp_path / "model", tiny_csv, out=tmp_path / "p.csv", device="cpu", precision="fp16"
    )
    assert (tmp_path / "p.csv").read_text().count("\n") > 10
