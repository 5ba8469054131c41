"""Is a file read by any name, and refused in one message where it cannot be?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steep.args.table import TableArgs
from steep.data.readers import is_by_class, is_plain, open_raw
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.options import make

TABLE = "text,label\none,a\ntwo,b\nthree,a\n"
ODD = os.fsdecode(b"caf\xe9")


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / f"{ODD}.csv"
    path.write_text(TABLE)
    corpus = read_table(path, make(TableArgs, label="label"))
    assert corpus.source == "caf\\xe9.csv" and len(corpus) == 3
    path.write_text("text,label\n\n")
    with pytest.raises(SteepError, match=r"/caf\\xe9.csv: no row with a text"):
        read_table(path, TableArgs())


def test_names_in_a_folder_that_are_no_utf8(tmp_path: Path) -> None:
    for name in (ODD, "b\x1b[2J"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{ODD}.txt").write_text("text")
    corpus = read_table(tmp_path, make(TableArgs, label="label"))
    assert corpus.task.labels == ("b\\x1b[2J", "caf\\xe9")
    assert list(corpus.table["id"]) == [f"{name}/caf\\xe9.txt" for name in corpus.task.labels]


def test_what_is_no_file_or_no_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    told = {
        tmp_path / "pipe.csv": "is a pipe or a device",
        tmp_path / "loop.csv": "cannot be read: Too many levels of symbolic links",
        Path("a" * 300 + ".csv"): "aaa….*: cannot be read: File name too long",
        Path("a/" * 50_000): "cannot be read: File name too long",
        Path("a\0b.csv"): r"a\\x00b.csv: is no name of a file",
        Path("/dev/null"): "is a pipe or a device",
        tmp_path / "pipe.csv" / "t.csv": "there is no such file",
    }
    for path, message in told.items():
        with pytest.raises(SteepError, match=message) as raised:
            read_table(path, TableArgs())
        assert len(str(raised.value)) < 400
    for ask in (is_plain, is_by_class):
        with pytest.raises(SteepError, match="File name too long"):
            ask(Path("a" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_not_left_out(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.txt").write_text("text")
    (tmp_path / "b").chmod(0)
    with pytest.raises(SteepError, match="Permission denied"):
        open_raw(tmp_path, "auto")
    (tmp_path / "b").chmod(0o700)


def test_a_message_is_safe_to_show(tmp_path: Path) -> None:
    path = tmp_path / "t\x1b[2J\u202e.csv"
    path.write_text(TABLE)
    code = f"from steep.console import say; say({str(path)!r} + ' :smile: [red]')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"t\\x1b[2J\\u202e.csv :smile: [red]\n" in done.stderr
    assert b"\x1b" not in done.stderr
