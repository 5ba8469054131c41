"""What is in the save of a run, and may this run resume what another one left?

Saves lie beside the folder that the run will write. Each is written aside and renamed, so that
there is always one whole save, the last. It is a safetensors file: tensors as they are, and
everything else as JSON in its header, with a checksum of both. Nothing pickled.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from steep import runs
from steep.console import say
from steep.errors import SteepError, Stopped, number_of

State = dict[str, Any]  # plain JSON values and tensors, in dictionaries in dictionaries
TENSOR = "tensor of this file"  # stands in the JSON where a tensor was
AGAIN = "Run the same command again to resume."
HALF = f"{runs.SAVE}.partial"  # a folder: safetensors writes to a file of a name that it draws


@dataclass
class Saves:
    """The saves of one run in `folder`, one every `minutes`; without a folder nothing is saved.

    A run may have several phases, which are fits; `finished` names those behind it. `settled` holds
    what was found once and must not change, `seconds` the time spent before the last save. `found`
    is the save (without its tensors) that this run resumes, if any.
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

    def announce(self, run: runs.Run) -> None:
        """Say where the unfinished run, if there is one, is resumed; its seconds count."""
        if self.found is None:
            return
        minutes = max(0, round((time.time() - self.found["time"]) / 60))
        ago = "a minute" if minutes == 1 else f"{minutes} minutes"
        place = f"step {self.found['train_iter']:,} of {self.found['total']:,}"
        run.note(f"resuming at {place} of {self.found['phase']}, saved {ago} ago")
        run.earlier = self.seconds

    def save(self, state: State) -> bool:
        """Replace the last save; a disk that is full does not end the run, but it is said."""
        assert self.folder is not None
        spent = self.seconds + time.monotonic() - self.started
        own = {"identity": self.identity, "finished": self.finished, "settled": self.settled}
        try:
            with _aside(self.file) as aside:
                write_state(aside, state | own | {"seconds": spent, "time": time.time()})
        except (OSError, SafetensorError) as error:
            say(f"{self.folder}: could not save, so a kill would lose more work: {error}")
            return False
        return True

    def remove(self) -> None:
        """Nothing is left to resume."""
        if self.folder is not None:
            forget_saves(self.folder)

    @contextmanager
    def explain_interrupt(self) -> Iterator[None]:
        """Ctrl-C where nothing is saved any more says what an earlier save is good for."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            if str(interrupt) or self.folder is None or not self.file.is_file():
                raise
            kept = f"The save in {self.folder} is kept. {AGAIN}"
            raise Stopped(kept, number_of(interrupt)) from None


def open_saves(out: Path, minutes: float, identity: State, overwrite: bool) -> Saves:
    """The saves of the run that will write `out`, and the state of the one that was killed, if any.

    Raises SteepError if that run was another one, or its save is damaged, and `overwrite` is off:
    its work is not lost.
    """
    folder = runs.unfinished(out)
    identity = json.loads(json.dumps(identity))  # as a save gives it back: lists for tuples
    saves = Saves(folder if minutes else None, minutes, identity)
    if not (folder / runs.SAVE).is_file():
        return saves
    known = _resumable(folder, identity, overwrite)
    if known is None:
        forget_saves(folder)
        return saves
    saves.folder, saves.found = folder, known
    saves.finished, saves.settled = known["finished"], known["settled"]
    saves.seconds = known["seconds"]
    return saves


def _resumable(folder: Path, identity: State, overwrite: bool) -> State | None:
    """The save in `folder`, without its tensors; with `overwrite`, None where it is no use."""
    try:
        known = read_state_header(folder / runs.SAVE)  # damage is found before anything is done
        if other := _others(known["identity"], identity):
            raise SteepError(
                f"{folder} holds an unfinished run with {other}. Repeat its options to resume "
                "it, choose another --out, or add --overwrite to start anew."
            )
    except SteepError:
        if overwrite:
            return None
        raise
    return known


def _others(known: State, now: State) -> str:
    """What sets `known` apart from `now`, in words: 'other options (epochs, seed)'."""
    found = []
    for group, values in now.items():
        past = known.get(group, {})
        names = [name for name in {**past, **values} if past.get(name) != values.get(name)]
        found += [f"other {group} ({', '.join(names)})"] if names else []
    return " and ".join(found)


def forget_saves(folder: Path) -> None:
    """Remove the saves in `folder`, whole or half, and the folder if nothing else is in it."""
    (folder / runs.SAVE).unlink(missing_ok=True)
    shutil.rmtree(folder / HALF, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _aside(save: Path) -> Iterator[Path]:
    """A file that becomes `save` when it is whole; what kills left of others before it goes."""
    half = save.with_name(HALF)
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        yield half / save.name
        (half / save.name).replace(save)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def write_state(path: Path, state: State) -> None:
    """`state` as one safetensors file, on the disk when this returns."""
    tensors: dict[str, Tensor] = {}
    content = json.dumps(_without_tensors(state, "", tensors))
    header = {"state": content, "checksum": _checksum(content, tensors)}
    save_file(tensors, path, metadata=header)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def read_state(path: Path) -> State:
    """The state that was written to `path`, tensors on the CPU; SteepError if it is damaged."""
    content, tensors = _checked(path)
    return _with_tensors(json.loads(content), "", tensors)


def read_state_header(path: Path) -> State:
    """The state without its tensors; SteepError if anything in the file is damaged."""
    return json.loads(_checked(path)[0])


def _checked(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The JSON and the tensors of a file, if they are those that were written."""
    try:
        with safe_open(path, "pt") as stream:
            header = stream.metadata() or {}
        tensors = load_file(path)
    except (OSError, SafetensorError):
        header, tensors = {}, {}
    content = header.get("state", "")
    if header.get("checksum") != _checksum(content, tensors):
        raise SteepError(
            f"{path}: this save is damaged, so the run cannot be resumed as it was. Put an "
            "undamaged copy back, or add --overwrite to start anew."
        )
    return content, tensors


def _checksum(content: str, tensors: dict[str, Tensor]) -> str:
    """A hash of the JSON, and of the tensors with their names, types and shapes."""
    digest = hashlib.blake2b(content.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous()
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


def named_weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that belong to a checkpoint, each once though it has several names."""
    own = model.state_dict()
    buffers = {name: value for name, value in model.named_buffers() if name in own}
    return dict(model.named_parameters()) | buffers


def copied_weights(model: nn.Module) -> dict[str, Tensor]:
    """`named_weights` as they are now, on the CPU: what `restore_weights` takes."""
    return {name: value.detach().cpu().clone() for name, value in named_weights(model).items()}


def restore_weights(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Set the weights of `model` to those of `weights`, in place."""
    with torch.no_grad():
        for name, value in named_weights(model).items():
            value.copy_(weights[name])
