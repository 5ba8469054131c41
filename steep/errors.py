"""What ends a command early? A user's mistake, a launcher of several processes, or a signal."""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
CUT = (
    b"Error: a file that was being read, of the cache or a checkpoint, has become shorter, "
    b"or its disk failed. Run it again, and let nothing change these files.\n"
)
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SteepError(Exception):
    """A mistake that its user can mend.

    The message names the file, row, column or key, says what was expected and what to do. The
    command line prints it without a traceback and ends with code 2.
    """


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file."
    if isinstance(error, IsADirectoryError):
        return f"{path}: this is a folder, but a file is expected."
    return f"{path}: cannot be read: {error.strerror or error}."


def refuse_launchers() -> None:
    """Raises SteepError in a process that torchrun, mpirun or the like started beside others."""
    for name in SIZES:
        size = os.environ.get(name, "").strip()
        if size.isdecimal() and int(size) > 1:
            raise SteepError(
                f"Steep computes on one device and in one process, but {name} is {size}: start it "
                "without a launcher such as torchrun."
            )


class Stopped(KeyboardInterrupt):
    """Ctrl-C, what a scheduler sends before it kills, or a terminal that was closed.

    The text says what is kept; `number` is the signal's.
    """

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


def number_of(interrupt: KeyboardInterrupt) -> int:
    """The signal that `interrupt` came from."""
    return interrupt.number if isinstance(interrupt, Stopped) else signal.SIGINT


def stop(number: int) -> None:
    """End at once, as Ctrl-C does."""
    raise Stopped(number=number)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _cut(_: int) -> None:
    os.write(2, CUT)
    os._exit(2)


def tell_bus_errors() -> None:
    """From now on, end with a message where a file that is mapped is cut by another process.

    The system tells that by SIGBUS. It is C's handler that is set, as Python's would return to the
    instruction that failed, for ever.
    """
    if os.name == "posix":
        ctypes.CDLL(None).signal(signal.SIGBUS, _cut)


@contextmanager
def on_signals(action: Callable[[int], None]) -> Iterator[None]:
    """Call `action` with the number of each signal that asks a process to end.

    One that is ignored, as by nohup, stays so. Python delivers signals to its main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = [kind for kind in ENDING if signal.getsignal(kind) not in (signal.SIG_IGN, None)]
    before = [signal.signal(kind, lambda number, _: action(number)) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
