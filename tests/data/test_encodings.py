"""Is it said what a file is that is no text in UTF-8, and how to make it one?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from steep.data import files
from steep.errors import SteepError

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
