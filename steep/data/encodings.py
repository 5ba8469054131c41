"""What is a file that is not text in UTF-8? Another encoding, or no text; and how to convert it."""

import codecs
import shlex
from pathlib import Path
from typing import BinaryIO

from steep.wording import brief

START = 1 << 18  # bytes that are looked at
BLOCK = 1 << 20
MARKS = {  # the marks of UTF-32 begin as those of UTF-16 do
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save it as CSV",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\x1f\x8b": "compressed by gzip; let its name end in .gz",
    b"\xfd7zXZ": "compressed by xz; let its name end in .xz",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
}
UNPACK = {".gz": "gzip -dc", ".xz": "xz -dc"}
CLEAR = 0.95  # of the characters of a text can be printed
ALPHABETIC = 0.3  # of the bytes of a Western text at most are beyond ASCII


def explain_nul(path: Path, raw: BinaryIO, line: int) -> str:
    """What a file is that holds a NUL character, in this line, and what to do; `raw` are its bytes.

    A text in UTF-16 or UTF-32, something binary, or a text into which a NUL has slipped.
    """
    start = raw.read(START)
    encoding = _unicode(start)
    if encoding is not None:
        return _other_unicode(path, encoding)
    if _is_binary(start):
        return _binary(path, start)
    return (
        f"{brief(str(path))}, line {line:,}: holds a NUL character, which no text does. If it "
        f"slipped in, remove it: {_through(path, r"tr -d '\000'", 'clean')}"
    )


def explain_encoding(path: Path, raw: BinaryIO) -> str:
    """Where a file stops being UTF-8, what it may be, and how to convert it."""
    start = raw.read(START)
    encoding = _unicode(start)
    if encoding is not None:
        return _other_unicode(path, encoding)
    if _is_binary(start):
        return _binary(path, start)
    raw.seek(0)
    byte, line, bad, valid = _first_fault(raw)
    where = f"{brief(str(path))}: not UTF-8 at byte {byte:,} (line {line:,}): {bad!r}."
    if valid:
        advice = "What stands before it is UTF-8, so it is a fault of the file. To leave it out:"
        return f"{where} {advice} {_through(path, 'iconv -c -f utf-8 -t utf-8', 'utf8')}"
    raw.seek(0)
    high = [code for code in raw.read(byte + START)[max(0, byte - START) :] if code > 127]
    if len(high) > ALPHABETIC * min(START + byte, 2 * START, _length(raw)):
        return (
            f"{where} It is in the encoding of some other script, such as windows-1251, gb18030 or "
            f"shift_jis. Convert it: {_iconv(path, 'ENCODING')}"
        )
    windows = any(code < 0xA0 for code in high)  # control characters in latin1
    return f"{where} Convert it first, for instance: {_iconv(path, 'windows-1252' if windows else 'latin1')} (another name of the encoding if that one is wrong)."
