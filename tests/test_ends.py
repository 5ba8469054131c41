"""How does a command end? With one line and the code that a shell expects, whatever stops it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer

from steep import __main__ as start
from steep import console
from steep.errors import ENDING, SteepError, Stopped, on_signals, stop
from steep.flags import with_errors


def ended(action: Callable[[], None]) -> int:
    """The code that a command ends with which does `action`."""
    with pytest.raises(typer.Exit) as exit_:
        with_errors(action)
    return exit_.value.exit_code


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


@pytest.fixture(autouse=True)
def signals_as_at_a_terminal() -> Iterator[None]:
    """Not ignored, as they are in a job in the background."""
    before = {kind: signal.getsignal(kind) for kind in ENDING}
    for kind in ENDING:
        signal.signal(kind, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


@pytest.mark.parametrize(
    ("action", "code", "line"),
    [
        (raising(SteepError("t.csv: no rows.")), 2, "Error: t.csv: no rows."),
        (raising(OSError(28, "No space left", "x")), 2, "Error: x: No space left."),
        (raising(OSError(28, "No space left")), 2, "Error: No space left."),
        (raising(KeyboardInterrupt()), 130, "Stopped. Nothing half-written is left."),
        (raising(Stopped("Saved.", signal.SIGTERM)), 143, "Stopped. Saved."),
        (lambda: signal.raise_signal(signal.SIGINT), 130, "Stopped. Nothing half-written is left."),
        (lambda: signal.raise_signal(signal.SIGTERM), 143, "Stopped. Nothing half-written"),
        (lambda: signal.raise_signal(signal.SIGHUP), 129, "Stopped. Nothing half-written"),
    ],
)
def test_one_line_and_a_code(
    action: Callable[[], None], code: int, line: str, capsys: pytest.CaptureFixture
) -> None:
    before = [signal.getsignal(kind) for kind in ENDING]
    assert ended(action) == code
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert [signal.getsignal(kind) for kind in ENDING] == before


def test_a_signal_that_is_ignored_stays_so() -> None:
    """As nohup ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with on_signals(stop):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_command_runs_beside_others_of_a_launcher(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ended(lambda: pytest.fail("the command must not start")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_in_the_imports_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    codes: list[int] = []
    monkeypatch.setitem(sys.modules, "steep.cli", Interrupted("steep.cli"))
    monkeypatch.setattr(os, "_exit", codes.append)
    start.main()
    assert codes == [130]
    assert capsys.readouterr().err == "Stopped. Nothing half-written is left.\n"


@pytest.mark.parametrize("full", [True, False], ids=["full", "closed"])
def test_a_stream_that_takes_no_more(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is where results go, so that is told; a log that ends does not matter."""
    reader, writer = os.pipe()
    os.close(reader)
    file = "/dev/full" if full else writer
    with Path(os.devnull).open("w") as other, open(file, "w") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        for written in (lambda: console.tell("x"), lambda: console.result(Path("x"))):
            with pytest.raises(SteepError, match="standard output cannot be written"):
                written()
        monkeypatch.setattr(sys, "stdout", other)
        monkeypatch.setattr(sys, "stderr", stream)
        console.say("x")
        monkeypatch.undo()
        os.dup2(other.fileno(), stream.fileno())  # so that what is left in it can be flushed
    if full:
        os.close(writer)


CUT = """
import sys, numpy as np
from pathlib import Path
from steep.errors import tell_bus_errors
tell_bus_errors()
path = Path(sys.argv[1])
np.save(path, np.zeros(100_000))
held = np.load(path, mmap_mode="r")
path.write_bytes(b"")
print(held.sum())
"""


def test_a_mapped_file_that_is_cut(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CUT, str(tmp_path / "a.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: a file that was being read")
    assert done.stderr.count("\n") == 1


def test_a_full_standard_output_is_told_once() -> None:
    command = [sys.executable, "-m", "steep", "--version"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=-1, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: standard output cannot be written: No space left")
    assert done.stderr.count("\n") == 1
