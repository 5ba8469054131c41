"""Is the pace of training measured without changing anything?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from steep.args import MachineArgs, TuneArgs
from steep.data.corpus import Data
from steep.models.devices import choose
from steep.options import make
from steep.train import classify, pace

CPU = choose(MachineArgs(device="cpu"))


@pytest.mark.parametrize("recomputed", [False, True], ids=["kept", "checkpointing"])
def test_measuring_changes_no_weight(
    recomputed: bool, single: Data, tiny_bert: Path, weights: Callable, moved: Callable
) -> None:
    tune = make(TuneArgs, max_length=32, gradient_checkpointing=recomputed)
    learn = classify.learner(single, tiny_bert, tune, CPU, 0)
    before = weights(learn.model)
    seconds, tokens = pace.seconds_per_step(learn)
    assert moved(before, learn.model) == set()
    assert all(p.grad is None for p in learn.model.parameters())
    assert seconds > 0
    assert 32 * 5 < tokens < 32 * 32


def test_seconds_are_those_of_a_step_and_warm_steps_do_not_count(
    single: Data, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = classify.learner(single, tiny_bert, make(TuneArgs, max_length=32, batch_size=8), CPU, 0)
    clock = iter([0.0, 100.0, 106.0])  # start, after warming up, end
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(clock))
    seconds, _ = pace.seconds_per_step(learn, warm=2, timed=6)
    assert seconds == pytest.approx(1.0)


def test_an_estimate_of_both_steps(single: Data, tiny_bert: Path) -> None:
    found = pace.estimate(single, str(tiny_bert), CPU, 0, TuneArgs())
    assert found["machine"].startswith("cpu in ")
    for step in ("adapt", "fit"):
        assert found[step]["tokens_per_second"] > 0
        assert found[step]["seconds_per_epoch"] >= 0
