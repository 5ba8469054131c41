"""How are the bytes of a text file read? Compression, encoding, and what to say when they fail."""

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

from steep.errors import SteepError

COMPRESSED = (".gz", ".xz")
SAMPLE = 1 << 18
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def suffix(path: Path) -> str:
    """The file's own suffix in lower case, below .gz or .xz: '.csv' of reviews.CSV.gz."""
    bare = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return bare.suffix.lower()


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The text of a UTF-8 file, with or without byte order mark, .gz or .xz.

    Line ends stay as they are. Raises SteepError, also while it is read, when the file is missing,
    damaged, binary or in another encoding.
    """
    try:
        with _open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield cast(TextIO, stream)
    except UnicodeDecodeError:
        raise SteepError(_explain_encoding(path)) from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise SteepError(f"{path}: the compressed file is damaged: {error}.") from None
    except FileNotFoundError:
        raise SteepError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise SteepError(f"{path}: cannot be read: {error.strerror or error}.") from None


def sample(path: Path) -> str:
    """The first 256 thousand characters; SteepError if there are none, or the file is binary."""
    with open_text(path) as stream:
        start = stream.read(SAMPLE)
    if "\0" in start:
        raise SteepError(_explain_encoding(path))
    if not start.strip():
        raise SteepError(f"{path}: the file is empty.")
    return start


def state_of(path: Path) -> str:
    """A text that changes with the place, size or time of a file."""
    stat = path.stat()
    return f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\0"


def _open(path: Path, mode: str, **options: str) -> IO:
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    return cast(IO, opener(path, mode, **options))  # type: ignore[operator]


def _explain_encoding(path: Path) -> str:
    """Where a file stops being UTF-8, and how to convert it."""
    with cast(BinaryIO, _open(path, "rb")) as stream:
        start = stream.read(SAMPLE)
        if start.startswith(UTF16):
            return f"{path}: the text is UTF-16, not UTF-8. {_conversion(path, 'utf-16')}"
        if b"\0" in start:
            return f"{path}: not a text file: it holds binary data."
        stream.seek(0)
        offset = 0
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = offset + error.start
                return (
                    f"{path}: not UTF-8 at byte {byte:,} (line {number:,}): "
                    f"{line[error.start : error.start + 1]!r}. {_conversion(path, 'latin1')}"
                )
            offset += len(line)
    return f"{path}: not UTF-8."


def _conversion(path: Path, encoding: str) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".xz")
    return (
        f"Convert it first, for instance: iconv -f {encoding} -t utf-8 {name} > utf8-{name} "
        "(another name of the encoding if that one is wrong)."
    )
