"""Do callbacks of the user run in the training of `steep.fit`, and what does it import?"""

import subprocess
import sys
from pathlib import Path

import pytest
from fastai.callback.core import Callback
from fastai.callback.progress import ShowGraphCallback

import steep


class Watch(Callback):
    """The epochs that were seen."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def after_epoch(self) -> None:
        self.seen.append(self.epoch)


def test_callbacks_of_the_user_run(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    watch, model = Watch(), str(tiny_bert)
    table, short = tables / "single.csv", {"epochs": 2, "max_length": 32, "device": "cpu"}
    steep.fit(table, model, label="label", out=tmp_path / "out", callbacks=[watch], **short)
    assert watch.seen == [0, 1]


def test_the_graph_of_fastai_is_refused_at_once(
    tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    with pytest.raises(steep.SteepError, match="ShowGraphCallback draws in fastai's progress bar"):
        steep.fit(
            tables / "single.csv",
            tiny_bert,
            label="label",
            max_length=32,
            out=tmp_path / "out",
            callbacks=[ShowGraphCallback()],
        )
    assert not (tmp_path / "out").exists()


def test_it_imports_little_of_steep(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    """What other commands, other options and other files need stays on the disk."""
    given = f"{str(tables / 'single.csv')!r}, {str(tiny_bert)!r}, out={str(tmp_path / 'model')!r}"
    program = (
        "import sys, steep\n"
        f"steep.fit({given}, label='label', max_length=32, epochs=1)\n"
        "print(sum(name.partition('.')[0] == 'steep' for name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) <= 76
