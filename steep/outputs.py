"""How does an output appear? Whole or not at all, and written by one run at a time."""

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from safetensors import SafetensorError

from steep import runs
from steep.console import say
from steep.errors import SteepError, refuse_launchers
from steep.places import (
    FOLDERS,
    Kind,
    Place,
    add_to_list,
    files_in,
    find_place,
    foreign_in,
    remove_own,
)

NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)  # of some network disks
OWN = ".steep-"  # in the names of locks, and of what is half-written
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
RUST = re.compile(r"\(os error (\d+)\)")  # how libraries in Rust word what the system refuses


@contextmanager
def claimed(
    out: Path, kind: Kind, overwrite: bool = False, inputs: Sequence[Path] = ()
) -> Iterator[Place]:
    """The place `out`, which no other run may write meanwhile; a killed run's leavings go first.

    Raises SteepError where it may not be written (`find_place`), while another run writes it, and
    where the system refuses a file.
    """
    refuse_launchers()
    place = find_place(out, kind, overwrite, inputs)
    with Explained(out), _parents_of(place.target), _alone(place.beside("lock"), out):
        _clean(place)
        yield find_place(out, kind, overwrite, inputs)  # anew: another run may have ended since


@contextmanager
def writing(out: Path, stage: str, args: Any, overwrite: bool = False) -> Iterator[runs.Run]:
    """A run folder that appears as `out` only when it is complete.

    Everything is written to a folder beside it, then renamed. Raises SteepError as `claimed` does;
    then nothing is left. Where something was put at `out` meanwhile, that stays, and the run's
    folder gets another name, which the error says.
    """
    started = time.monotonic()
    with claimed(out, "folder", overwrite) as place:
        partial = place.beside("partial")
        try:
            partial.mkdir()
            run = runs.Run(partial, place.target, runs.manifest(stage, args))
            yield run
            run.record(seconds=round(run.earlier + time.monotonic() - started, 1))
            run.record(**{runs.WROTE: sorted({*files_in(partial), runs.MANIFEST})})
            runs.write_json(partial / runs.MANIFEST, run.manifest)
            _as_readable(partial)
            refused = appear(partial, place, overwrite)
            for action in run.afterwards:
                action()
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        if refused is not None:
            raise refused


def _as_readable(folder: Path) -> None:
    """Let those read every file who may read the manifest: safetensors lets only its owner."""
    mode = (folder / runs.MANIFEST).stat().st_mode
    for name in files_in(folder):
        (folder / name).chmod(mode)


@contextmanager
def writing_file(
    out: Path, kind: Kind, overwrite: bool = False, inputs: Sequence[Path] = ()
) -> Iterator[Path]:
    """The name to write a file under, which becomes `out` at the end; as `writing` otherwise."""
    with claimed(out, kind, overwrite, inputs) as place:
        partial = place.beside("partial")
        try:
            yield partial
            refused = appear(partial, place, overwrite)
        finally:
            partial.unlink(missing_ok=True)
        if refused is not None:
            raise refused


@contextmanager
def adding(folder: Path) -> Iterator[Path]:
    """A folder for new files of the finished run `folder`: all are moved there at the end, or none.

    They replace those of the same names, which the caller has checked, and are listed in the
    manifest. Raises SteepError when they cannot be written, or another run adds files.
    """
    aside = folder / ".steep-partial"
    refuse_launchers()
    with Explained(folder), _alone(folder / ".steep-lock", folder):
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            yield aside
            names = files_in(aside)
            add_to_list(folder, names)
            for name in names:
                (aside / name).replace(folder / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def appear(partial: Path, place: Place, overwrite: bool) -> SteepError | None:
    """Give `partial` the name of the place, if it may still be written.

    Otherwise it gets another name, and an error that says so is returned.
    """
    try:
        now = find_place(place.path, place.kind, overwrite)
        if now.target != place.target or (overwrite and now.there not in (None, place.there)):
            raise SteepError(f"{place.path} is another one than at the start.")
        _put(partial, now, overwrite)
    except (SteepError, OSError) as error:
        kept = _free_name(place.target)
        partial.rename(kept)
        why = "something was put there while this run was under way, and is left as it is"
        if isinstance(error, OSError) and error.errno != errno.ENOTEMPTY:
            why = f"cannot be written at the end: {error.strerror}"
        return SteepError(f"{place.path}: {why}. The result of this run is in {kept}.")
    return None


def make(out: Path, overwrite: bool = False) -> None:
    """An empty folder that fills up bit by bit, as a study does; SteepError if it is in use."""
    place = find_place(out, "folder", overwrite)
    with Explained(out):
        if place.there is not None:
            remove_own(place.target)
        place.target.mkdir(parents=True, exist_ok=True)


def check_space(out: Path, needed: int) -> None:
    """Raises SteepError if fewer than `needed` bytes are free where `out` will be."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise SteepError(
            f"{out}: {needed / 1e6:,.1f} MB are needed, but only {free / 1e6:,.1f} MB are free. "
            "Make room, or choose an --out on another disk."
        )


class Explained:
    """A context in which what the system refuses while `out` is written becomes a SteepError."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        number = _refusal(error)
        if number is not None and not isinstance(error, SteepError):
            raise SteepError(_in_words(number, error, self.out)) from error


def _refusal(error: BaseException | None) -> int | None:
    """What the system refused: its number, 0 where it has none; None for any other error."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = RUST.search(str(error)) if isinstance(error, Exception) else None
    return int(found[1]) if found else (0 if isinstance(error, SafetensorError) else None)


def _in_words(number: int, error: BaseException | None, out: Path) -> str:
    if number in FULL:
        return f"{out}: cannot be written: the disk is full. Make room, then run it again."
    reason = os.strerror(number) if number else str(error)
    if number in FORBIDDEN:
        return f"{out}: cannot be written: {reason}. Choose another --out."
    file = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    if OWN in file:  # a file that Steep writes beside `out`, which the user does not know
        return f"{out}: cannot be written there: {reason}. Choose another --out."
    return f"{out}: cannot be written: {file}{reason}."


@contextmanager
def _parents_of(target: Path) -> Iterator[None]:
    """The folders above `target`, made where they are missing; those that stay empty go again."""
    made = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def _alone(lock: Path, out: Path) -> Iterator[None]:
    """Hold the file `lock`, as no other process can; the system frees it even after a kill."""
    held = _hold(lock, out)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # before it is free, so that nobody holds a file without name
        os.close(held)


def _hold(lock: Path, out: Path) -> int:
    while True:
        opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(opened)
                if not isinstance(error, BlockingIOError):
                    raise
                raise SteepError(
                    f"another run is writing {out}. Wait until it ends, or choose another --out."
                ) from None
            say(f"{out}: this disk knows no locks, so let no other run write there")
            return opened
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(opened), lock.stat()):
                return opened
        os.close(opened)  # the run that held it has just ended, and removed it


def _clean(place: Place) -> None:
    """Remove what killed runs left half-written beside a place; a folder renamed away comes back.

    Only the holder of the lock comes here, so nobody is writing them.
    """
    old, partial = place.beside("old"), place.beside("partial")
    if old.is_dir():
        if os.path.lexists(place.target):
            remove_own(old)
        else:
            old.rename(place.target)
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    partial.unlink(missing_ok=True)
    if place.kind == "study":
        for folder in (place.target, place.target / runs.CELLS):
            for left in filter(Path.is_file, folder.glob(".*.steep-partial")):
                left.unlink()


def _put(partial: Path, place: Place, overwrite: bool) -> None:
    """Rename `partial`; what Steep wrote there before goes afterwards."""
    if place.kind not in FOLDERS or place.there is None or not overwrite:
        partial.rename(place.target)  # fails at a folder that is not empty
        return
    old = place.beside("old")
    place.target.rename(old)
    try:
        if foreign_in(old):
            raise SteepError(f"{place.path} has changed in this moment.")
        partial.rename(place.target)
    except BaseException:
        if not os.path.lexists(place.target):
            old.rename(place.target)
        raise
    remove_own(old)


def _free_name(target: Path) -> Path:
    """A name beside `target` that is free: m.finished, m.finished-2, ..."""
    for number in range(1, 1000):
        more = f"-{number}" if number > 1 else ""
        name = target.with_name(f"{target.stem}.finished{more}{target.suffix}")
        if not os.path.lexists(name):
            return name
    raise SteepError(f"{target}: in use, and so are a thousand names beside it.")
