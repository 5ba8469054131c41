"""How does a killed run go on as if it had not been? By saves of all its state, beside its folder.

A save is one safetensors file: tensors, and everything else as JSON in its header. It is written
aside and renamed, so that there is always one whole save, the last. A run goes on at the batch
after it, with the same weights, moments, random numbers, schedule and history: what it ends in is
bit for bit what it would have been.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback, CancelEpochException
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from steep import runs
from steep.console import say
from steep.errors import SteepError
from steep.models import kernels

State = dict[str, Any]  # plain JSON values and tensors, in dictionaries in dictionaries
TENSOR = "tensor of this file"  # stands in the JSON where a tensor was


class Remembering(Callback):
    """A callback with a memory: its attributes named in `kept` outlive the process.

    They are plain JSON values, tensors, or dictionaries of these.
    """

    kept: tuple[str, ...] = ()


@dataclass
class Saves:
    """The saves of one run in `folder`, one every `minutes`; without a folder nothing is saved.

    A run may have several phases, which are fits; `finished` names those behind it. `settled` holds
    what was found once and must not change, `seconds` the time spent before the last save.
    """

    folder: Path | None = None
    minutes: float = 0.0
    identity: State = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    settled: State = field(default_factory=dict)
    seconds: float = 0.0
    found: State | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def file(self) -> Path:
        """The last save."""
        assert self.folder is not None
        return self.folder / runs.SAVE

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What `find()` gave (a plain JSON value) when this run came here for the first time."""
        if name not in self.settled:
            self.settled[name] = find()
        return self.settled[name]

    def go_on(self, run: runs.Run) -> None:
        """Say where the unfinished run, if there is one, is gone on with; its seconds count."""
        if self.found is None:
            return
        minutes = max(0, round((time.time() - self.found["time"]) / 60))
        ago = "a minute" if minutes == 1 else f"{minutes} minutes"
        place = f"step {self.found['train_iter']:,} of {self.found['total']:,}"
        run.note(f"going on from {place} of {self.found['phase']}, saved {ago} ago")
        run.earlier = self.seconds

    def write(self, state: State) -> bool:
        """Replace the last save; a disk that is full does not end the run, but it is said."""
        assert self.folder is not None
        spent = self.seconds + time.monotonic() - self.started
        own = {"identity": self.identity, "finished": self.finished, "settled": self.settled}
        try:
            self.folder.mkdir(exist_ok=True)
            with runs.aside(self.file) as aside:
                write(aside, state | own | {"seconds": spent, "time": time.time()})
        except (OSError, SafetensorError) as error:
            say(f"{self.folder}: could not save, so a kill would lose more work: {error}")
            return False
        return True

    def remove(self) -> None:
        """Nothing is left to go on with."""
        if self.folder is not None:
            runs.forget(self.folder)


def open_saves(out: Path, minutes: float, identity: State, overwrite: bool) -> Saves:
    """The saves of the run that will write `out`, and the state of the one that was killed, if any.

    Raises SteepError if that run was another one and `overwrite` is off: its work is not lost.
    """
    folder = runs.unfinished(out)
    identity = json.loads(json.dumps(identity))
    saves = Saves(folder if minutes else None, minutes, identity)
    if not (folder / runs.SAVE).is_file():
        return saves
    known = read_header(folder / runs.SAVE)
    other = "a save that cannot be read" if known is None else _others(known["identity"], identity)
    if known is None or other:
        if not overwrite:
            raise SteepError(
                f"{folder} holds an unfinished run with {other}. Repeat its options to go on with "
                "it, choose another --out, or add --overwrite to start anew."
            )
        runs.forget(folder)
        return saves
    saves.folder, saves.found = folder, known
    saves.finished, saves.settled = known["finished"], known["settled"]
    saves.seconds = known["seconds"]
    return saves


def _others(known: State, now: State) -> str:
    """What sets `known` apart from `now`, in words: 'other options (epochs, seed)'."""
    found = []
    for group, values in now.items():
        past = known.get(group, {})
        names = [name for name in {**past, **values} if past.get(name) != values.get(name)]
        found += [f"other {group} ({', '.join(names)})"] if names else []
    return " and ".join(found)


@contextmanager
def saving(saves: Saves, phase: str) -> Iterator[list[Callback]]:
    """The callbacks that save a fit and go on with it; Ctrl-C then waits for the step to end."""
    if saves.folder is None:
        yield []
        return
    keep = Keep(saves, phase)
    callbacks: list[Callback] = [keep]
    if saves.found is not None and saves.found["phase"] == phase:
        callbacks.append(GoOn(saves.file, saves.found))
    with _signals(keep.stop):
        yield callbacks
    saves.finished.append(phase)


class Keep(Callback):
    """Saves the state of a fit after a step of the optimiser, now and then, or when asked to stop.

    Comes last after a batch: whatever happens there is in the save.
    """

    order = 1000

    def __init__(self, saves: Saves, phase: str) -> None:
        self.saves, self.phase = saves, phase
        self.last, self.stepped, self.asked = time.monotonic(), False, False

    def stop(self) -> None:
        """Save and end after this step; asked again, end at once."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def before_train(self) -> None:
        self.batch = self.epochs.source.start

    def after_step(self) -> None:
        self.stepped = True

    def after_batch(self) -> None:
        if not self.training:
            self._save_if(self.asked)
            return
        self.batch += 1
        if self.stepped:  # not between the parts of an accumulated batch
            self.stepped = False
            self._save_if(self.asked or time.monotonic() - self.last >= 60 * self.saves.minutes)

    def after_train(self) -> None:
        self.trained = self._state()  # a validation that is stopped begins anew

    def _save_if(self, due: bool) -> None:
        if not due:
            return
        done = self.saves.write(self._state() if self.training else self.trained)
        self.last = time.monotonic()
        if self.asked:
            where = f"Saved after step {self.train_iter:,} in {self.saves.folder}. " if done else ""
            raise KeyboardInterrupt(f"{where}Run the same command again to go on.")

    def _state(self) -> State:
        smooth = self.recorder.smooth_loss
        return {
            "phase": self.phase,
            "epoch": self.epoch,
            "batch": self.batch,
            "train_iter": self.train_iter,
            "total": len(self.dls.train) * self.n_epoch,
            "pct_train": self.pct_train,
            "smooth_loss": {"count": smooth.count, "val": smooth.val},
            "random": _random(self.dls.device),
            "drawn": kernels.drawn(self.model),
            "weights": _weights(self.model),
            "optimizer": {
                name: {key: v for key, v in self.opt.state[p].items() if isinstance(v, Tensor)}
                for name, p in self.model.named_parameters()
            },
            "hypers": [dict(hypers) for hypers in self.opt.hypers],
            "memory": {
                cb.name: {name: vars(cb)[name] for name in cb.kept}
                for cb in self.cbs
                if isinstance(cb, Remembering)
            },
        }


class GoOn(Callback):
    """Puts a fit where its save was made, once, and lets it go on from there.

    Comes after fastai's own callbacks and before all that use what they begin with.
    """

    order = 55

    def __init__(self, file: Path, header: State) -> None:
        self.file, self.header = file, header
        self.random: State | None = None

    def before_epoch(self) -> None:
        if self.epoch < self.header["epoch"]:
            raise CancelEpochException
        if self.epoch == self.header["epoch"]:
            self._restore(read(self.file))

    def _restore(self, state: State) -> None:
        copy_weights(state["weights"], self.model)
        for name, p in self.model.named_parameters():
            moments = {k: _like(v, p) for k, v in state["optimizer"][name].items()}
            self.opt.state[p].update(moments)
            if moments:  # as after a step, so that it goes on moving where no gradient comes
                p.grad = torch.zeros_like(p)
        for hypers, known in zip(self.opt.hypers, state["hypers"], strict=True):
            hypers.update(known)
        for cb in self.cbs:
            if isinstance(cb, Remembering):
                cb.__dict__.update(state["memory"][cb.name])
        smooth = self.recorder.smooth_loss
        smooth.count, smooth.val = state["smooth_loss"]["count"], state["smooth_loss"]["val"]
        self.epochs.source.start = state["batch"]
        self.learn.train_iter = state["train_iter"]
        kernels.draw_on(self.model, state["drawn"])
        self.random = state["random"]

    def before_batch(self) -> None:
        self._draw_on()

    def after_train(self) -> None:
        self._draw_on()

    def _draw_on(self) -> None:
        """Only now: making an iterator of a loader draws a random number."""
        if self.random is not None:
            torch.set_rng_state(self.random["cpu"])
            if "cuda" in self.random:
                torch.cuda.set_rng_state(self.random["cuda"], self.dls.device)
            self.random, self.learn.pct_train = None, self.header["pct_train"]


def write(path: Path, state: State) -> None:
    """`state` as one safetensors file, on the disk when this returns."""
    tensors: dict[str, Tensor] = {}
    header = {"state": json.dumps(_without_tensors(state, "", tensors))}
    save_file(tensors, path, metadata=header)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def read(path: Path) -> State:
    """The state that was written to `path`, tensors on the CPU."""
    header = read_header(path)
    if header is None:
        raise SteepError(f"{path}: this save cannot be read. Add --overwrite to start anew.")
    tensors = load_file(path)
    return _with_tensors(header, "", tensors)


def read_header(path: Path) -> State | None:
    """The state without its tensors; None if the file is not whole."""
    try:
        with safe_open(path, "pt") as stream:
            return json.loads(stream.metadata()["state"])
    except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError):
        return None


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().contiguous()
        return TENSOR
    if isinstance(value, dict):
        return {k: _without_tensors(v, f"{path}/{k}", tensors) for k, v in value.items()}
    return value


def _with_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if value == TENSOR:
        return tensors[path].clone()
    if isinstance(value, dict):
        return {k: _with_tensors(v, f"{path}/{k}", tensors) for k, v in value.items()}
    return value


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, each once though it may have several names."""
    own = model.state_dict()
    buffers = {name: value for name, value in model.named_buffers() if name in own}
    return dict(model.named_parameters()) | buffers


def copy_weights(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Parameters and buffers as they are in `weights`, in place."""
    with torch.no_grad():
        for name, value in _weights(model).items():
            value.copy_(weights[name])


def _like(value: Tensor, p: Tensor) -> Tensor:
    """A tensor of the optimiser in the layout that it had: that of its parameter."""
    same = torch.empty_like(p) if value.shape == p.shape else torch.empty(value.shape)
    return same.to(p.device, value.dtype).copy_(value).detach()


def _random(device: torch.device) -> State:
    """Where torch's random numbers stand."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, and what a scheduler sends before it kills, call `stop` while a fit is under way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda *_: stop()) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
