"""Do the contestants do the same work, and count the same text?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from fastai.learner import Learner

pytest.importorskip("accelerate", reason="the Trainer needs it: pip install 'steep[bench]'")

from benchmarks import ours, trainer
from benchmarks.cases import CASES, Job, prepare, shrunk
from benchmarks.contest import Turns
from benchmarks.ours import kernels_off
from steep.models import kernels


class Alone(Turns):
    """Turns of one that need not wait."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.memory: dict[str, float] = {}

    def ready(self) -> None:
        pass

    def step(self, tokens: Any) -> None:
        self.counts.append(int(tokens))


@pytest.fixture
def job(tmp_path: Path, request: pytest.FixtureRequest, minilm: Path) -> Iterator[Job]:
    cache = datasets.config.HF_DATASETS_CACHE
    case = shrunk(CASES[request.param], "tiny", 1, 4)
    yield prepare(Job(case, tmp_path, 3, precision="fp32", device="cpu"))
    datasets.config.HF_DATASETS_CACHE = cache


@pytest.mark.parametrize("job", ["fit-25"], indirect=True)
def test_all_count_the_same_text_and_learn_from_the_same_weights(job: Job) -> None:
    sides = {"steep": (ours.fit, job), "steep --plain": (ours.fit, replace(job, plain=True))} | {
        name: (trainer.fit, trainer.Entry(job, name == "stock", False, "sdpa"))
        for name in ("stock", "best")
    }
    turns = {name: Alone() for name in sides}
    losses = [run(entry, turns[name])["loss"] for name, (run, entry) in sides.items()]
    assert {len(alone.counts) for alone in turns.values()} == {3}
    assert len({sum(alone.counts) for alone in turns.values()}) == 1
    assert max(losses) - min(losses) < 0.02


@pytest.mark.parametrize("job", ["adapt-128"], indirect=True)
def test_steps_of_adapt_hold_about_as_much_text(job: Job) -> None:
    turns = {"steep": Alone(), "best": Alone()}
    ours.adapt(job, turns["steep"])
    trainer.adapt(trainer.Entry(job, False, False, "sdpa"), turns["best"])
    totals = [sum(alone.counts) for alone in turns.values()]
    # Steep's windows end where their document ends, so they are not all full.
    assert 0.7 < totals[0] / totals[1] <= 1.05


@pytest.mark.parametrize("job", ["fit-25", "adapt-128"], indirect=True)
@pytest.mark.parametrize("plain", [True, False])
def test_plain_has_hugging_faces_own_layers(
    job: Job, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked after training, just before the layers are removed to measure the loss."""
    drawn: list[int] = []

    def ask(learn: Learner) -> Any:
        drawn.append(kernels.drawn(learn.model))
        return kernels_off(learn)

    monkeypatch.setattr(ours, "kernels_off", ask)
    run = ours.fit if job.case.stage == "fit" else ours.adapt
    run(replace(job, plain=plain), Alone())
    assert (drawn == [0]) is plain
