"""Does the terminal get texts of the data as they are, and nothing that would command it?"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from steep import console

HOSTILE = "a\x1b[2J\x07\x9b31m\u202eb\u2066 [red]c[/red] :smile: \udce9\r"
SHOWN = r"a\x1b[2J\x07\x9b31m\u202eb\u2066 [red]c[/red] :smile: \xe9\r"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What reaches a terminal."""
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=200)
    monkeypatch.setattr(console.err, "_file", terminal.file)
    monkeypatch.setattr(console.out, "_file", terminal.file)
    yield stream


def test_what_is_said_is_harmless(screen: io.StringIO) -> None:
    console.say(f"{HOSTILE}\nsecond")
    console.tell(HOSTILE)
    assert screen.getvalue() == f"{SHOWN}\nsecond\n{SHOWN}\n"
    console.out.print(HOSTILE, markup=True)
    assert "\x1b" not in screen.getvalue() and "\u202e" not in screen.getvalue()


def test_a_message_is_bounded(screen: io.StringIO) -> None:
    console.say("x" * 379_000)
    assert len(screen.getvalue()) < 4000
    assert "[... 379,000 characters ...]" in screen.getvalue()


def test_a_notebook_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    made = console._console(stderr=True)
    assert not made.is_jupyter  # it shows an empty box beneath each line
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert not made.is_terminal


def test_what_a_bar_is_about_is_harmless() -> None:
    bar = console.progress()
    task = bar.add_task(HOSTILE, total=1, rate="")
    assert bar.columns[0].render(bar.tasks[task]).plain == SHOWN


def test_a_result_is_a_path_for_programs(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    console.result(Path("caf\udce9 \x1b"))
    sys.stdout.flush()
    assert capfdbinary.readouterr().out.rstrip() == b"caf\xe9 \x1b"
