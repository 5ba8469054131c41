"""How does a signal end a command? Cleanly, with the exit code that a shell expects."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
