"""How is a file known again? By what it holds; where that is much, by its ends and its times."""

import hashlib
import os
from pathlib import Path

from steep.errors import SteepError
from steep.wording import visible

WHOLE = 1 << 26  # bytes of a file that is hashed as a whole, within a tenth of a second
ENDS = 1 << 20  # bytes at either end that are hashed of a longer one


def fingerprint(path: Path) -> str:
    """A text that changes with the name or the content of a file.

    Of a file above `WHOLE`, of which a hash would take as long as reading it, the content is told
    by its first and last bytes and by its `disk_state`. Raises SteepError if it cannot be read.
    """
    try:
        if (state := disk_state(path))[0] <= WHOLE:
            return repr((str(path), hash_of(path)))
        with path.open("rb") as stream:
            ends = hashlib.sha256(stream.read(ENDS))
            stream.seek(-ENDS, os.SEEK_END)
            ends.update(stream.read(ENDS))
    except OSError as error:
        reason = error.strerror or error
        raise SteepError(f"{visible(str(path))}: cannot be read: {reason}.") from None
    return repr((str(path), ends.hexdigest(), state))


def hash_of(path: Path) -> str:
    """A hash of all bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disk_state(path: Path) -> list[int]:
    """Size, inode and times of a file; the last of these no program can set."""
    stat = path.stat()
    return [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
