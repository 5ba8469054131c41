"""How are the bytes of a text file read? Compression, lines, and what to say when they fail."""

import errno
import gzip
import lzma
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Literal, TextIO, cast

from steep.data.encodings import explain_encoding, explain_nul, shown_name
from steep.errors import SteepError
from steep.wording import visible

COMPRESSED = (".gz", ".xz")
SAMPLE = 1 << 18
LONGEST_TEXT = 1 << 26  # characters: of more, a tokenizer may take all memory
ABSENT = (errno.ENOENT, errno.ENOTDIR)


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
        except OSError as error:
            if error.errno in ABSENT:
                return "nothing"
            raise
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
        with readable(path), _bytes_of(path) as raw:
            raise SteepError(explain_encoding(path, raw)) from None


def lines(path: Path) -> Iterator[str]:
    """The lines with their ends; SteepError also at a NUL, and at an endless line."""
    with open_text(path) as stream:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST_TEXT), ""), 1):
            if len(line) >= LONGEST_TEXT:
                raise SteepError(
                    f"{shown_name(path)}, line {number:,}: longer than {LONGEST_TEXT:,} "
                    "characters. Put line breaks between the documents."
                )
            if "\0" in line:
                raise SteepError(_about_nul(path, number))
            yield line


def whole_text(path: Path, longest: int) -> str | None:
    """All of a file; None if it has more characters than `longest`. Raises SteepError at a NUL."""
    with open_text(path) as stream:
        text = stream.read(longest + 1)
    if "\0" in text:
        raise SteepError(_about_nul(path, text.count("\n", 0, text.index("\0")) + 1))
    return text if len(text) <= longest else None


def sample(path: Path) -> str:
    """The first 256 thousand characters; SteepError if there are none, or it is no text."""
    with open_text(path) as stream:
        start = stream.read(SAMPLE)
    if "\0" in start:
        raise SteepError(_about_nul(path, start.count("\n", 0, start.index("\0")) + 1))
    if not start.strip():
        raise SteepError(f"{shown_name(path)}: the file is empty.")
    return start


def files_below(folder: Path) -> list[Path]:
    """All regular files below a folder, sorted by path; SteepError where one may not look.

    Hidden files and folders are left out.
    """
    found = []
    with readable(folder):
        for place, folders, names in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
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


def _bytes_of(path: Path) -> BinaryIO:
    return cast(BinaryIO, _open(path, "rb"))


def _open(path: Path, mode: str, **options: str) -> IO:
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    return cast(IO, opener(path, mode, **options))  # type: ignore[operator]


def _about_nul(path: Path, line: int) -> str:
    with readable(path), _bytes_of(path) as raw:
        return explain_nul(path, raw, line)


def _raise(error: OSError) -> None:
    raise error
