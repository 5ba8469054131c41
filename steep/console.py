"""How does Steep speak to its user? On standard error; results go to standard output.

Names and texts of the data reach a terminal through here only, and as they are: no markup, no emoji
codes, and control characters as escapes.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from rich.console import Console, ConsoleRenderable, RenderHook
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from steep.errors import SteepError
from steep.wording import visible

LONGEST_MESSAGE = 4000

Item = TypeVar("Item")


class _Terminal(Console):
    """A console that raises BrokenPipeError where nobody reads it; rich's ends the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _Harmless(RenderHook):
    """Shows the control characters of all texts that are printed, but for line breaks and tabs."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [Text(harmless(t.plain)) if isinstance(t, Text) else t for t in renderables]


class _Description(ProgressColumn):
    """What a progress bar is about; it may hold names of the data."""

    def render(self, task: Task) -> Text:
        return Text(visible(task.description))


def harmless(message: str) -> str:
    """What a terminal may be given: lines and tabs stay, other control characters are escapes."""
    lines = message.split("\n")
    return "\n".join("\t".join(visible(part) for part in line.split("\t")) for line in lines)


def _console(stderr: bool) -> Console:
    """A notebook is no terminal; rich would show an empty box there beneath each line."""
    terminal = False if Console().is_jupyter else None
    console = _Terminal(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
        force_jupyter=False,
        force_terminal=terminal,
    )
    console.push_render_hook(_Harmless())
    return console


err = _console(stderr=True)
out = _console(stderr=False)


def say(message: str) -> None:
    """A line about what is happening; a log that is full or closed ends no run."""
    if len(message) > LONGEST_MESSAGE:
        start, end = message[: LONGEST_MESSAGE // 2], message[-LONGEST_MESSAGE // 4 :]
        message = f"{start} [... {len(message):,} characters ...] {end}"
    with suppress(OSError):
        _print(err, harmless(message))


def say_next(line: str) -> None:
    """The command that usually comes next, as a shell takes it."""
    say(f"next: {line}")


def tell(line: str) -> None:
    """A line of results. Raises SteepError where standard output is full or closed."""
    with _standard_output():
        _print(out, harmless(line))


def result(path: Path) -> None:
    """The path of what was written, on standard output: for people made visible, else as it is.

    Raises SteepError as `tell` does.
    """
    with _standard_output():
        if sys.stdout.isatty():
            _print(out, visible(str(path)))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(os.fsencode(path) + os.linesep.encode())
            sys.stdout.buffer.flush()


@contextmanager
def quiet(wanted: bool = True) -> Iterator[None]:
    """While this lasts, nothing is said, if that is `wanted`; results and errors come as ever."""
    before, err.quiet = err.quiet, err.quiet or wanted
    try:
        yield
    finally:
        err.quiet = before


def _print(console: Console, text: str) -> None:
    """Print by hand: rich would keep what could not be written, and print it later."""
    with console.capture() as shown:
        console.print(text)
    console.file.write(shown.get())
    console.file.flush()


@contextmanager
def _standard_output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SteepError(
            f"standard output cannot be written: {error.strerror}. All files are complete."
        ) from None


def progress(unit: str = "") -> Progress:
    """A progress bar with counts, a `rate` field, and the time left."""
    columns = (
        _Description(),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn(unit + "{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, disable=not err.is_terminal)


def track(items: Iterable[Item], total: int, description: str) -> Iterator[Item]:
    """The items, under a progress bar."""
    with progress() as bar:
        task = bar.add_task(description, total=total, rate="")
        for item in items:
            yield item
            bar.advance(task)
