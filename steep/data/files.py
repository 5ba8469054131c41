"""How are the bytes of a text file read? Compression, lines, and what to say when they fail.

That is what a file may be that is no text in UTF-8, and how to convert it.
"""

import codecs
import gzip
import lzma
import os
import shlex
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Literal, TextIO, cast

from steep.errors import SteepError
from steep.wording import brief, visible

COMPRESSED = (".gz", ".xz")
PLAIN = (".txt", ".text", ".md")  # text without columns
SAMPLE = 1 << 18  # characters, or bytes
LONGEST_TEXT = 1 << 26  # characters: of more, a tokenizer may take all memory
BLOCK = 1 << 20
MARKS = {  # the marks of UTF-32 begin as those of UTF-16 do
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save it as CSV",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\x1f\x8b": "compressed by gzip; let its name end in .gz",
    b"\xfd7zXZ": "compressed by xz; let its name end in .xz",
    b"%PDF": "a PDF",
    b"SQLite format 3": "an SQLite database",
}
DROP_NUL = r"tr -d '\000'"
UNPACK = {".gz": "gzip -dc", ".xz": "xz -dc"}
BLANKS = (0, 9, 10, 11, 12, 13, 27)
LONGEST_PATH = 200  # characters that a message shows
BINARY = 0.01  # of the bytes of a text at most are control characters
CLEAR = 0.95  # of the characters of a text at least can be printed
WESTERN = 0.25  # of the bytes of a text in a Western encoding at most are beyond ASCII
HALF_ZERO, SOME_ZERO = 0.25, 0.01  # of the high bytes of UTF-16: of Latin script, of any other


def suffix(path: Path) -> str:
    """The file's own suffix in lower case, below .gz or .xz: '.csv' of reviews.CSV.gz."""
    bare = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return bare.suffix.lower()


def shown_path(path: Path) -> str:
    """A path as valid text: bytes that are no UTF-8 and control characters are escapes."""
    return visible(str(path))


def what_is_at(path: Path) -> Literal["file", "folder", "nothing"]:
    """What there is; SteepError for a pipe, a device, or a name that the system refuses."""
    with readable(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "nothing"
        except ValueError as error:  # a NUL in the name
            raise SteepError(f"{shown_name(path)}: is no name of a file: {error}.") from None
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise SteepError(
            f"{shown_name(path)}: is a pipe or a device, which can be read only once. Write it "
            "to a file first, and name that."
        )
    return "file"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The text of a UTF-8 file, with or without byte order mark, .gz or .xz.

    Line ends stay as they are. Raises SteepError, also while it is read, when the file is missing,
    damaged, or in another encoding.
    """
    try:
        with readable(path), _open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield cast(TextIO, stream)
    except UnicodeDecodeError:
        with readable(path), _open(path, "rb") as raw:
            raise SteepError(_explain_encoding(path, raw)) from None


def lines(path: Path) -> Iterator[str]:
    """The lines with their ends; SteepError also at a NUL, and at an endless line."""
    with open_text(path) as stream:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST_TEXT), ""), 1):
            if len(line) >= LONGEST_TEXT:
                raise SteepError(
                    f"{shown_name(path)}, line {number:,}: longer than {LONGEST_TEXT:,} "
                    "characters. Put line breaks between the documents."
                )
            _check_nul(path, line, number)
            yield line


def whole_text(path: Path, longest: int) -> str | None:
    """All of a file; None if it has more characters than `longest`. Raises SteepError at a NUL."""
    with open_text(path) as stream:
        text = stream.read(longest + 1)
    _check_nul(path, text)
    return text if len(text) <= longest else None


def sample(path: Path) -> str:
    """The first 256 thousand characters; SteepError if there are none, or it is no text."""
    with open_text(path) as stream:
        start = stream.read(SAMPLE)
    _check_nul(path, start)
    if not start.strip():
        raise SteepError(f"{shown_name(path)}: the file is empty.")
    return start


def files_below(folder: Path) -> list[Path]:
    """All regular files below a folder, sorted by path; SteepError where one may not look.

    Hidden files and folders are left out; links are followed, into each folder once.
    """
    found, seen = [], {os.path.realpath(folder)}
    with readable(folder):
        for place, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
            real = {name: os.path.realpath(Path(place, name)) for name in sorted(folders)}
            folders[:] = [n for n, at in real.items() if not n.startswith(".") and at not in seen]
            seen |= {real[name] for name in folders}
            found += [Path(place, name) for name in names if not name.startswith(".")]
        return sorted(file for file in found if file.is_file())


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What the system and the decompressors say against a file, as SteepError that names it."""
    try:
        yield
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise SteepError(f"{shown_name(path)}: the compressed file is damaged: {error}.") from None
    except FileNotFoundError:
        raise SteepError(f"{shown_name(path)}: there is no such file.") from None
    except OSError as error:
        raise SteepError(
            f"{shown_name(path)}: cannot be read: {error.strerror or error}."
        ) from None


def _open(path: Path, mode: str, **options: str) -> IO:
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    return cast(IO, opener(path, mode, **options))  # type: ignore[operator]


def _check_nul(path: Path, text: str, first: int = 1) -> None:
    """Raises SteepError if a text, from line `first` on, holds a NUL character; with what to do.

    It is UTF-16 or UTF-32, something binary, or a text into which a NUL has slipped.
    """
    if "\0" not in text:
        return
    with readable(path), _open(path, "rb") as raw:
        told = _no_text(path, raw.read(SAMPLE))
    line = first + text.count("\n", 0, text.index("\0"))
    raise SteepError(
        told
        or f"{shown_name(path)}, line {line:,}: holds a NUL character, which no text does. "
        f"Remove it, for instance: {_command(path, DROP_NUL, 'clean')}."
    )


def _raise(error: OSError) -> None:
    raise error


def _explain_encoding(path: Path, raw: IO[bytes]) -> str:
    """Where a file stops being UTF-8, what it may be, and how to convert it."""
    if told := _no_text(path, raw.read(SAMPLE)):
        return told
    raw.seek(0)
    byte, line, before, fault = _first_fault(raw)
    where = f"{shown_name(path)}: not UTF-8 at byte {byte:,} (line {line:,}): {fault[:1]!r}."
    if max(before, default=0) > 127:
        command = _command(path, "iconv -c -f utf-8 -t utf-8", "utf8")
        return (
            f"{where} What stands before is UTF-8, so it is damaged there. To drop it: {command}."
        )
    high = [code for code in fault if code > 127]
    if len(high) > WESTERN * len(before + fault):
        return (
            f"{where} It is in an encoding of another script, such as windows-1251, gb18030 or "
            f"shift_jis. Convert it: {_iconv(path, 'ENCODING')}."
        )
    western = "windows-1252" if min(high) < 0xA0 else "latin1"  # has control characters there
    return (
        f"{where} Convert it first, for instance: {_iconv(path, western)} (another name of the "
        "encoding if that one is wrong)."
    )


def shown_name(path: Path) -> str:
    """A path as messages show it, cut where it is endless."""
    return brief(str(path), LONGEST_PATH)


def _no_text(path: Path, start: bytes) -> str | None:
    """What is wrong with a file that begins so, if it is in UTF-16 or UTF-32, or binary."""
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    encoding = marked or _utf32(start) or _utf16(start)
    if encoding is not None:
        return (
            f"{shown_name(path)}: the text is {encoding.upper()}, not UTF-8. Convert it first, for "
            f"instance: {_iconv(path, encoding)}."
        )
    magic = next((f" ({told})" for mark, told in MAGIC.items() if start.startswith(mark)), "")
    controls = sum(code < 32 and code not in BLANKS for code in start) / max(1, len(start))
    if magic or controls > BINARY:
        return f"{shown_name(path)}: not a text file: it holds binary data{magic}."
    return None


def _utf32(start: bytes) -> str | None:
    return next((f"utf-32{end}" for end in ("le", "be") if _is_clear(start, f"utf-32{end}")), None)


def _utf16(start: bytes) -> str | None:
    """UTF-16 without a mark: its high bytes are 0 for the letters, or the blanks, of ASCII."""
    least = HALF_ZERO if _is_clear(start.replace(b"\0", b""), "utf-8") else SOME_ZERO
    zeros = {"le": start[1::2].count(0), "be": start[::2].count(0)}
    end = max(zeros, key=lambda name: zeros[name])
    most, other = zeros[end], min(zeros.values())
    if most > 2 * other and most > least * len(start) / 2 and _is_clear(start, f"utf-16{end}"):
        return f"utf-16{end}"
    return None


def _is_clear(start: bytes, encoding: str) -> bool:
    """Whether bytes can be read so, up to their end, and nearly all characters can be printed."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError:
        return False
    clear = sum(sign.isprintable() or sign.isspace() for sign in text)
    return bool(text) and clear > CLEAR * len(text)


def _first_fault(raw: IO[bytes]) -> tuple[int, int, bytes, bytes]:
    """Where the first byte that is no UTF-8 is: its number, from 0, and its line, from 1.

    Then what stands before it, and what from there on (of both a part, where it is long).
    """
    done, line, before, pending = 0, 1, b"", b""
    while block := raw.read(BLOCK):
        whole = pending + block
        try:
            codecs.utf_8_decode(whole, "strict", False)
        except UnicodeDecodeError as error:
            at = error.start
            line += whole.count(b"\n", 0, at)
            return done + at, line, before + whole[:at], whole[at:]
        used = codecs.utf_8_decode(whole, "strict", False)[1]
        before, pending = whole[:used], whole[used:]
        done, line = done + used, line + before.count(b"\n")
    return done, line, before, pending  # cut within a character


def _iconv(path: Path, encoding: str) -> str:
    return _command(path, f"iconv -f {encoding} -t utf-8", "utf8")


def _command(path: Path, tool: str, prefix: str) -> str:
    """A command of the shell that writes the file anew, through `tool`."""
    name = path.name.removesuffix(".gz").removesuffix(".xz")
    new = shlex.quote(f"{prefix}-{name}")
    if unpack := UNPACK.get(path.suffix.lower()):
        return f"{unpack} {shlex.quote(path.name)} | {tool} > {new}"
    reads = f"{tool} <" if tool.startswith("tr ") else tool
    return f"{reads} {shlex.quote(path.name)} > {new}"
