"""What is in the cache, and when was it used? Entries that can go, each as a whole; none in use."""

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from steep.data.cache_files import cache_folder
from steep.data.cache_locks import lock

KINDS = {
    "read": "text and columns of a file",
    "rows": "chosen rows",
    "sentences": "sentences",
    "tokens": "tokens",
}
"""What lies in the folders of the cache."""


@dataclass(frozen=True)
class Entry:
    """What was made of some input: its files, their `size` in bytes, and when it was `used` last.

    `used` is in seconds since 1970. An entry without a seal of its own is not finished: a run that
    goes on needs it.
    """

    kind: str
    name: str
    files: tuple[Path, ...]
    size: int
    used: float

    def is_used(self) -> bool:
        """Whether a process works with it, or writes it."""
        with ExitStack() as stack:
            return not self._held(stack)

    def remove(self) -> bool:
        """Remove its files, unless a process uses it; whether they are gone."""
        with ExitStack() as stack:
            if not self._held(stack):
                return False
            for file in self.files:
                file.unlink(missing_ok=True)
        folder = cache_folder() / self.kind
        for place, _, _ in os.walk(folder / self.name, topdown=False):
            with suppress(OSError):
                Path(place).rmdir()
        return True

    def _held(self, stack: ExitStack) -> bool:
        """Whether all its files could be locked, for as long as the stack is open."""
        for file in self.files:
            with suppress(FileNotFoundError):
                if not lock(stack.enter_context(file.open("rb"))):
                    return False
        return True


def entries() -> list[Entry]:
    """All entries of the cache, the one used last first."""
    found = [entry for kind in KINDS for entry in _entries(kind)]
    return sorted(found, key=lambda entry: -entry.used)


def surplus(found: list[Entry], before: float, bytes_kept: float) -> list[Entry]:
    """Those to remove: used last `before` that time, or beyond the most recent `bytes_kept`."""
    chosen, total = [], 0
    for entry in found:
        total += entry.size
        if entry.used < before or total > bytes_kept:
            chosen.append(entry)
    return chosen


def _entries(kind: str) -> list[Entry]:
    """The entries of a folder of the cache; its files and folders begin with an entry's name."""
    folder = cache_folder() / kind
    files: dict[str, list[Path]] = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names):
            own = path.relative_to(folder).parts[0]
            files.setdefault(own.partition(".")[0] or own, []).append(path)
    return [entry for name, some in files.items() if (entry := _entry(kind, name, some))]


def _entry(kind: str, name: str, files: list[Path]) -> Entry | None:
    """An entry of these files; None where they have gone meanwhile."""
    states = []
    for file in files:
        with suppress(FileNotFoundError):
            states.append(file.stat())
    if not states:
        return None
    size, used = sum(state.st_size for state in states), max(state.st_mtime for state in states)
    return Entry(kind, name, tuple(files), size, used)
