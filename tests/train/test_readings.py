"""Does a step wait for the device? Not once, but where losses are read: now and then."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from steep.args import FitArgs, PretrainArgs
from steep.data.corpus import Data
from steep.models import kernels
from steep.models.devices import Machine, sent
from steep.models.masked_lm import MaskedLM, load_masked_lm
from steep.options import make
from steep.train import classify, objective, phases
from steep.train.callbacks import Bar
from steep.train.engine import run_fit
from steep.train.objective import Objective, windows_of
from steep.train.pile import Stream, heldout_batches, loaders
from steep.train.readings import Readings, StopIfDiverged, readings_of

ARGS = make(FitArgs, epochs=1, batch_size=8, max_length=32, learning_rate=1e-3)
STEP2 = make(PretrainArgs, max_length=16, learning_rate=1e-3)
CPU = Machine(torch.device("cpu"), bf16=False, attention="sdpa")  # the layers that a GPU computes
FP16 = Machine(torch.device("cpu"), bf16=False, attention="sdpa", fp16=True)
WAITS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select")


MASK = "_ignore_bidirectional_mask_sdpa"  # of transformers: looks whether there is padding


class Waits(TorchDispatchMode):
    """Names the operations that wait for a device, those of a GPU too, in the order called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS:
            stack = traceback.extract_stack()
            self.seen.append(MASK if any(frame.name == MASK for frame in stack) else name)
        return func(*args, **kwargs or {})


@contextmanager
def counted(learn: Learner) -> Iterator[list[list[str]]]:
    """What waits in each training step of `learn`, whatever else happens in it."""
    one_batch, steps = learn.one_batch, []

    def count(number: int, batch: Any) -> None:
        with Waits() as waits:
            one_batch(number, batch)
        if learn.training:
            steps.append(waits.seen)

    learn.one_batch = count
    yield steps
    learn.one_batch = one_batch


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are read in the first step alone, and after the epoch; they are torch's own."""

    def masked_loss(logits: Tensor, labels: Tensor, ignored: int) -> Tensor:
        return cross_entropy(logits.float(), labels, ignore_index=ignored)

    monkeypatch.setattr(kernels, "cross_entropy", masked_loss)
    monkeypatch.setattr(Readings, "is_time", lambda self: self.learn.train_iter == 0)


def learner(data: Data, checkpoint: Path, machine: Machine = CPU) -> Learner:
    return classify.learner(data, checkpoint, ARGS.tune, machine, 0)


def masked_learner(data: Data, checkpoint: Path, machine: Machine = CPU) -> Learner:
    lm = load_masked_lm(checkpoint, "sdpa", 0)
    pile = windows_of(data.train, lm, STEP2)
    spans = pile.spans()
    stream = Stream(pile, spans[20:], 128, 8, 0)
    dls = loaders(stream, heldout_batches(pile, spans[:20], 128, 0), machine.device)
    return objective.masked_learner(MaskedLM(lm.model, machine.autocast), dls, STEP2, Objective())


@pytest.mark.parametrize("machine", [CPU, FP16], ids=["fp32", "fp16"])
@pytest.mark.parametrize("make_learner", [learner, masked_learner])
def test_no_step_waits_but_those_that_read(
    single: Data, tiny_bert: Path, as_on_a_gpu: None, make_learner: Callable, machine: Machine
) -> None:
    learn = make_learner(single, tiny_bert, machine)
    bar = Bar(readings_of(learn), "fitting")
    rates = phases.scheduler(1e-3, phases.schedule("linear", 0.1), 1, len(learn.dls.train))
    with counted(learn) as steps:
        run_fit(learn, 1, rates, bar, [StopIfDiverged(readings_of(learn))])
    first, *others = steps
    assert {*first} - {MASK}, "the losses are read in it, so that waiting is seen"
    assert others == [[MASK]] * len(others)
    assert len(learn.recorder.losses) == len(steps) > 4
    assert {type(loss) for loss in learn.recorder.losses} == {float}
    assert bar.tokens > 0


def test_what_is_read_later_is_the_same(
    single: Data, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for steps in (1, 3, 1000):
        monkeypatch.setattr(
            Readings, "is_time", lambda self, n=steps: self.learn.train_iter % n == 0
        )
        learn = learner(single, tiny_bert)
        bar = Bar(readings_of(learn), "fitting")
        rates = phases.scheduler(1e-3, phases.schedule("linear", 0.1), 2, len(learn.dls.train))
        torch.manual_seed(0)
        run_fit(learn, 2, rates, bar, [StopIfDiverged(readings_of(learn))])
        found.append((list(learn.recorder.losses), bar.tokens))
    assert found[0] == found[1] == found[2]


def test_no_step_is_taken_after_a_loss_that_is_read_late(
    single: Data, tiny_bert: Path, as_on_a_gpu: None, weights: Callable, moved: Callable
) -> None:
    class Explode(Callback):
        order = StopIfDiverged.order - 1

        def after_loss(self) -> None:
            if self.train_iter == 3:
                self.before = weights(self.model)
                self.learn.loss_grad = self.loss_grad * float("nan")
                self.learn.loss = self.loss_grad.clone()

    learn, explode = learner(single, tiny_bert), Explode()
    finite = StopIfDiverged(readings_of(learn))
    rates = phases.scheduler(1e-3, phases.schedule("constant", 0.0), 1, len(learn.dls.train))
    run_fit(learn, 1, rates, Bar(finite.readings, "fitting"), [finite, explode])
    assert finite.diverged
    assert learn.train_iter == len(learn.dls.train), "it was read after the epoch"
    assert not moved(explode.before, learn.model)


def test_batches_go_to_a_gpu_from_pinned_memory() -> None:
    class Part:
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def pin_memory(self) -> "Part":
            self.calls.append("pinned")
            return self

        def to(self, device: torch.device, non_blocking: bool) -> "Part":
            self.calls.append((device.type, non_blocking))
            return self

    parts: Any = (Part(), Part())
    assert sent(parts, torch.device("cpu")) is parts
    moved = sent(parts, torch.device("cuda"))
    assert [part.calls for part in moved] == [["pinned", ("cuda", True)]] * 2
