"""Does a process use what lies in the cache, or write it? Locks of files, which end with it."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

_held: dict[Path, int] = {}  # seals of what this process uses, and the descriptors that lock them


def lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed, or its process ends; whether nobody else has locked it."""
    if sys.platform == "win32":  # where an open file cannot be removed anyway
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or on a disk without locks
        return False
    return True


def hold(seal: Path) -> None:
    """Let others see, until this process ends, that it uses what is sealed; and when that was."""
    if sys.platform == "win32":
        return
    import fcntl

    with suppress(OSError):  # it is not there yet, on a disk without locks, or may only be read
        held = os.open(seal, os.O_RDONLY)
        if (before := _held.pop(seal, None)) is not None:
            os.close(before)
        _held[seal] = held
        fcntl.flock(held, fcntl.LOCK_SH)
        os.utime(seal)


def discard(folder: Path) -> None:
    """Remove what this process alone needed, and holds no more."""
    for seal in [seal for seal in _held if folder in seal.parents]:
        os.close(_held.pop(seal))
    shutil.rmtree(folder, ignore_errors=True)
