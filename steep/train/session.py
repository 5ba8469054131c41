"""How does a training run begin and end, and how is a killed one resumed as if it had not been?

adapt, fit and multitask train within a `Session`: the folder appears when it is complete, a killed
run of the same options, data and versions is resumed, and nothing is left of a finished one.
It is resumed at the batch after its last save, with the same weights, moments, random numbers,
schedule and history: what it ends in is bit for bit what it would have been.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback, CancelEpochException
from fastai.callback.progress import ShowGraphCallback
from torch import Tensor

from steep import outputs, runs
from steep.args import OverwriteArgs, SaveArgs
from steep.data.corpus import Corpus, fingerprint
from steep.errors import SteepError, Stopped, on_signals
from steep.launch import here
from steep.models import kernels
from steep.models.checkpoint_files import checkpoint_identity
from steep.models.devices import Machine
from steep.openings import NOTHING, Follower, Openings
from steep.options import as_mapping, identity_of
from steep.train import ranks
from steep.train.callbacks import At, Bar, BatchSource, Resumable
from steep.train.saves import (
    AGAIN,
    Saves,
    State,
    named_weights,
    open_saves,
    read_state,
    restore_weights,
)

STARTS = ("model", "base")  # options that name the checkpoints which a run starts from
SPACE, SAVED = 3, 8  # times the checkpoint's size that a run needs on the disk, and its saves


@dataclass(frozen=True)
class Session:
    """A training run under way: where it writes, what it resumes, where it computes."""

    run: runs.Run
    machine: Machine
    saves: Saves = field(default_factory=Saves)
    openings: Openings = NOTHING

    @contextmanager
    def together(self) -> Iterator[None]:
        """What all processes of the run do; afterwards only the first goes on, to write."""
        with ranks.together():
            yield

    def check_space(self, parameters: int) -> None:
        """Raises SteepError if the disk has no room for a model of so many parameters."""
        saved = SAVED if self.saves.minutes else 0
        outputs.check_space(self.run.out, (SPACE + saved) * parameters * 4)


@contextmanager
def session(
    stage: str,
    out: Path,
    args: Any,
    corpora: Mapping[str, Corpus],
    machine: Machine,
    openings: Openings = NOTHING,
) -> Iterator[Session]:
    """The session of the run that writes `out`; `corpora` is all data that it depends on, by name.

    `args` is the composition of a command with the parts `saving` and `output`. Raises SteepError
    if `out` is in use, an unfinished run of another kind lies there, or a callback cannot work.
    """
    _check_callbacks(openings.callbacks)
    saving: SaveArgs = args.saving
    output: OverwriteArgs = args.output
    options = as_mapping(args) | dict(openings.options)
    itself = identity(identity_of(args) | dict(openings.options), corpora, machine)
    ranks.check(machine)
    with ranks.writing(out, stage, args, output.overwrite) as run:
        saves = open_saves(run.out, saving.save_every, itself, output.overwrite)
        run.afterwards.append(saves.remove)
        with saves.explain_interrupt(), _followed(out, options, openings):
            saves.announce(run)
            run.record(args=options, device=str(machine.device))
            run.record(precision=machine.precision)
            if here().count > 1:
                run.note(f"{here().count} processes train together, each on its parts of a batch")
            yield Session(run, machine, saves, openings)


def identity(
    options: Mapping[str, Any], corpora: Mapping[str, Corpus], machine: Machine
) -> dict[str, Any]:
    """What two runs must have in common for one to resume the other, by name."""
    starts = [name for name in STARTS if options.get(name)]
    return {
        "options": options,
        "checkpoints": {name: checkpoint_identity(options[name]) for name in starts},
        "data": {name: fingerprint(corpus) for name, corpus in corpora.items()},
        "versions": runs.versions(),
        "machine": {
            "computing": str(machine),
            "fast layers": machine.fast,
            "processes": here().count,
        },
    }


def _check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Raises SteepError at a callback that needs fastai's own progress bar."""
    if any(isinstance(callback, ShowGraphCallback) for callback in callbacks):
        raise SteepError(
            "callbacks: ShowGraphCallback draws in fastai's progress bar, which Steep's replaces. "
            "Leave it out ('steep report' draws the losses), or train a steep.learner with it."
        )


@contextmanager
def _followed(out: Path, options: Mapping[str, Any], openings: Openings) -> Iterator[None]:
    for follower in openings.followers:
        follower.begin(out, options)
    try:
        yield
    finally:
        for follower in openings.followers:
            follower.end()


@dataclass(frozen=True)
class Hooks:
    """What a training is called, where it is saved, and who acts or listens while it runs.

    `callbacks` are the user's own, of fastai; `followers` are told each new line of history.
    """

    description: str = "fitting"
    saves: Saves = field(default_factory=Saves)
    callbacks: Sequence[Callback] = ()
    followers: Sequence[Follower] = ()


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
        if self.training:
            self.batch += 1
        asked = int(ranks.agreed(self.asked))  # whichever process was: all end after the same step
        if asked or (self.training and self._is_time()):
            self._save(asked)

    def after_train(self) -> None:
        self.trained = self._state()  # a validation that is stopped is begun again

    def _is_time(self) -> bool:
        seconds = 60 * self.saves.minutes
        return seconds > 0 and time.monotonic() - self.last >= seconds

    def _save(self, asked: int) -> None:
        self.bar.read()
        state = self._state() if self.training else self.trained
        done = here().rank == 0 and self.saves.save(state)
        self.last = time.monotonic()
        if asked:
            ranks.agreed(0)  # none ends before the first has saved
            where = f"Saved after step {self.train_iter:,} in {self.saves.folder}. " if done else ""
            raise Stopped(f"{where}{AGAIN}", asked)

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
