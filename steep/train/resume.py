"""How is a killed run resumed as if it had not been killed? From saves of all its state.

It is resumed at the batch after its last save, with the same weights, moments, random numbers,
schedule and history: what it ends in is bit for bit what it would have been.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from fastai.callback.core import Callback, CancelEpochException
from torch import Tensor

from steep.errors import Stopped, on_signals
from steep.models import kernels
from steep.train.callbacks import At, Bar, BatchSource, Resumable
from steep.train.saves import AGAIN, Saves, State, named_weights, read_state, restore_weights


@contextmanager
def saving(saves: Saves, bar: Bar, source: BatchSource) -> Iterator[list[Callback]]:
    """The callbacks that save a fit and resume it; Ctrl-C then waits for the step to end.

    The fit is known by the description of its `bar`; `source` is what its batches come from.
    """
    if saves.folder is None:
        yield []
        return
    saver = Saver(saves, bar, source)
    callbacks: list[Callback] = [saver]
    if saves.found is not None and saves.found["phase"] == bar.description:
        callbacks.append(Resume(saves.file, saves.found, source))
    with on_signals(saver.stop):
        yield callbacks
    saves.finished.append(bar.description)


class Saver(Callback):
    """Saves the state of a fit after a step of the optimiser, now and then, or when asked to stop.

    Comes last after a batch: whatever happens there is in the save.
    """

    order = At.SAVER

    def __init__(self, saves: Saves, bar: Bar, source: BatchSource) -> None:
        self.saves, self.bar, self.source = saves, bar, source
        self.last, self.asked = time.monotonic(), 0

    def stop(self, number: int) -> None:
        """Save and end after this step, by the signal `number`; asked again, end at once."""
        if self.asked:
            raise Stopped(number=number)
        self.asked = number

    def before_train(self) -> None:
        self.batch = self.source.start

    def after_batch(self) -> None:
        if not self.training:
            self._save_if(self.asked > 0)
            return
        self.batch += 1
        self._save_if(self.asked > 0 or self._is_time())

    def after_train(self) -> None:
        self.trained = self._state()  # a validation that is stopped is begun again

    def _is_time(self) -> bool:
        seconds = 60 * self.saves.minutes
        return seconds > 0 and time.monotonic() - self.last >= seconds

    def _save_if(self, due: bool) -> None:
        if not due:
            return
        done = self.saves.save(self._state() if self.training else self.trained)
        self.last = time.monotonic()
        if self.asked:
            where = f"Saved after step {self.train_iter:,} in {self.saves.folder}. " if done else ""
            raise Stopped(f"{where}{AGAIN}", self.asked)

    def _state(self) -> State:
        smooth = self.recorder.smooth_loss
        return {
            "phase": self.bar.description,
            "epoch": self.epoch,
            "batch": self.batch,
            "train_iter": self.train_iter,
            "total": self.bar.total,
            "pct_train": self.pct_train,
            "smooth_loss": {"count": smooth.count, "val": smooth.val},
            "random": _random(self.dls.device),
            "drawn": kernels.drawn(self.model),
            "weights": named_weights(self.model),
            "optimizer": {
                name: {key: v for key, v in self.opt.state[p].items() if isinstance(v, Tensor)}
                for name, p in self.model.named_parameters()
            },
            "hypers": [dict(hypers) for hypers in self.opt.hypers],
            "callbacks": {
                cb.name: {name: vars(cb)[name] for name in cb.saved}
                for cb in self.cbs
                if isinstance(cb, Resumable)
            },
        }


class Resume(Callback):
    """Puts a fit where its save was made, once, and lets it continue from there.

    Comes after fastai's own callbacks and before all that use what they begin with.
    """

    order = At.RESUME

    def __init__(self, file: Path, header: State, source: BatchSource) -> None:
        self.file, self.header, self.source = file, header, source
        self.random: State | None = None

    def before_epoch(self) -> None:
        if self.epoch < self.header["epoch"]:
            raise CancelEpochException
        if self.epoch == self.header["epoch"]:
            self._restore(read_state(self.file))

    def _restore(self, state: State) -> None:
        restore_weights(state["weights"], self.model)
        for name, p in self.model.named_parameters():
            moments = {k: _like(v, p) for k, v in state["optimizer"][name].items()}
            self.opt.state[p].update(moments)
        for hypers, known in zip(self.opt.hypers, state["hypers"], strict=True):
            hypers.update(known)
        for cb in self.cbs:
            if isinstance(cb, Resumable):
                cb.__dict__.update(state["callbacks"][cb.name])
        smooth = self.recorder.smooth_loss
        smooth.count, smooth.val = state["smooth_loss"]["count"], state["smooth_loss"]["val"]
        self.source.start = state["batch"]
        self.learn.train_iter = state["train_iter"]
        kernels.draw_on(self.model, state["drawn"])
        self.random = state["random"]

    def before_batch(self) -> None:
        self._restore_random_numbers()

    def after_train(self) -> None:
        self._restore_random_numbers()

    def _restore_random_numbers(self) -> None:
        """Only now: making an iterator of a loader draws a random number."""
        if self.random is not None:
            torch.set_rng_state(self.random["cpu"])
            if "cuda" in self.random:
                torch.cuda.set_rng_state(self.random["cuda"], self.dls.device)
            self.random, self.learn.pct_train = None, self.header["pct_train"]


def _like(value: Tensor, p: Tensor) -> Tensor:
    """A tensor of the optimiser in the layout that it had: that of its parameter."""
    same = torch.empty_like(p) if value.shape == p.shape else torch.empty(value.shape)
    return same.to(p.device, value.dtype).copy_(value).detach()


def _random(device: torch.device) -> State:
    """Where torch's random numbers stand."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})
