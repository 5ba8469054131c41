"""Is a file read by any name, and is it said what it is where it is no text in UTF-8?"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steep.args.table import TableArgs
from steep.data import files
from steep.data.load import read_table
from steep.data.readers import is_by_class, is_plain, open_raw
from steep.errors import SteepError
from steep.options import make

LATIN = "text,label\n" + "the plot was good,1\n" * 20
HAN = "文本,标签\n" + "这部电影很好看,一\n" * 20

FILES: dict[str, tuple[bytes, str]] = {
    "UTF-16": (LATIN.encode("utf-16"), "the text is UTF-16, .*iconv -f utf-16 "),
    "UTF-32": (LATIN.encode("utf-32"), "the text is UTF-32, .*iconv -f utf-32 "),
    "UTF-16 without mark": (LATIN.encode("utf-16-le"), "UTF-16LE, .*iconv -f utf-16le "),
    "UTF-16 of the other end": (LATIN.encode("utf-16-be"), "UTF-16BE, "),
    "Chinese UTF-16": (HAN.encode("utf-16-le"), "UTF-16LE, "),
    "UTF-32 without mark": (HAN.encode("utf-32-be"), "UTF-32BE, "),
    "Windows": ((LATIN + "“so” – 5 €\n").encode("cp1252"), r"byte 411 \(line 22\).* windows-1252 "),
    "Latin 1": ((LATIN + "grün\n").encode("latin1"), r"line 22\): b'\\xfc'.*iconv -f latin1 "),
    "Latin 1 to its end": (LATIN.encode() + b"caf\xe9", "iconv -f latin1 "),
    "Chinese": (HAN.encode("gb18030"), "encoding of another script, such as .*gb18030"),
    "Russian": (("привет, мир\n" * 9).encode("cp1251"), "encoding of another script"),
    "one bad byte": ((HAN + "x").encode() + b"\xff\n", "What stands before is UTF-8.* iconv -c "),
    "cut within a character": (HAN.encode()[:-2], "What stands before is UTF-8"),
    "one NUL": (LATIN.encode() + b"a\0b,1\n", r"line 22: holds a NUL.*tr -d '\\000' < t.csv"),
    "one NUL in little": (b"text,label\na\0,1\n", "line 2: holds a NUL"),
    "padding": (LATIN.encode() + b"\0" * 500, "line 22: holds a NUL"),
    "binary": (bytes(range(256)) * 20, "not a text file: it holds binary data.$"),
    "Excel": (b"PK\x03\x04\0\0\0x", "binary data .an Excel workbook"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", "binary data .compressed by gzip; let its name end in .gz"),
}


@pytest.mark.parametrize("what", FILES)
def test_what_is_no_utf8(write: Callable[[str, bytes], Path], what: str) -> None:
    content, told = FILES[what]
    path = write("t.csv", content)
    with pytest.raises(SteepError, match=told) as raised:
        list(files.lines(path))
    assert str(raised.value).startswith(str(path))


def test_a_compressed_file_is_unpacked_first(write: Callable[[str, bytes], Path]) -> None:
    path = write("two words.csv.gz", LATIN.encode("utf-16"))
    command = r"gzip -dc 'two words.csv.gz' \| iconv -f utf-16 -t utf-8 > 'utf8-two words.csv'"
    with pytest.raises(SteepError, match=command):
        files.sample(path)


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
