"""How is a file of the cache written, known again, and made anew where it is damaged?

The cache is `datasets.config.HF_DATASETS_CACHE`/steep. It may be deleted at any time, and whatever
lies in it may be cut, emptied or exchanged. So its files are written aside under names of their
own, renamed when they are complete, and sealed: a seal (JSON) says what each of them is. Only
files that match their seal are used, since a mapped file that is too short ends the process. What a
run alone needs lies in files without a name (`scratch`).
"""

import errno
import hashlib
import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from steep.console import say
from steep.data.cache_locks import hold, lock
from steep.data.files import readable
from steep.data.raw import BATCH
from steep.errors import SteepError
from steep.wording import brief

Facts = dict[str, int]
Make = Callable[[Sequence[Path]], Facts]
Write = Callable[[Any], Facts]  # to a writer of Arrow

BLOCK = 1 << 16  # rows copied together
ZEROS = memoryview(bytes(1 << 20))
PARTIAL = ".partial"
LEFT = re.compile(r"\.partial$|^raw-\d+$|^(ids|offsets)-\d+\.npy$|\.arrow\.\d+$")
LONGEST_SEAL = 1 << 16
FULL = (errno.ENOSPC, errno.EDQUOT)
WHOLE = 1 << 26  # bytes of a file that is hashed as a whole, within a tenth of a second
ENDS = 1 << 20  # bytes at either end that are hashed of a longer one


def cache_folder() -> Path:
    """Where Steep's part of the cache is."""
    return Path(datasets.config.HF_DATASETS_CACHE) / "steep"


def kept(seal: Path, paths: Sequence[Path], make: Make) -> Facts:
    """What is known of the files `paths`, which lie in the folder of their `seal`.

    Where they do not match it, `make` writes them anew, to the paths that it is given, and returns
    the facts. Raises SteepError if the cache cannot be written.
    """
    hold(seal)  # before it is read: what is pruned in this moment is not there any more
    found = _facts(seal, paths)
    if found is not None:
        hold(seal)
        return found
    if any(os.path.lexists(path) for path in (seal, *paths)):
        say(f"{seal}: this part of the cache is incomplete or damaged, and is made anew")
    with explained(seal.parent):
        try:
            found = _made(seal, paths, make)
        except FileNotFoundError:  # the cache was deleted meanwhile, or another run was faster
            known = _facts(seal, paths)
            found = _made(seal, paths, make) if known is None else known
    hold(seal)
    return found


def _made(seal: Path, paths: Sequence[Path], make: Make) -> Facts:
    """Write the files aside, give them their names together, and seal them."""
    seal.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(cache_folder())
    with ExitStack() as stack:
        aside = [stack.enter_context(partial(path)) for path in paths]
        facts = make(aside)
        hashes = {path.name: hash_of(made) for path, made in zip(paths, aside, strict=True)}
    _write_seal(seal, hashes, facts)
    return facts


def kept_table(place: str, schema: pa.Schema, write: Write) -> tuple[datasets.Dataset, Facts]:
    """The table in an Arrow file at this place of the cache, and its facts; `write` makes it.

    Its name, which is its key, is its fingerprint.
    """
    path = cache_folder() / f"{place}.arrow"

    def make(aside: Sequence[Path]) -> Facts:
        with pa.OSFile(str(aside[0]), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            return write(writer)

    facts = kept(path.with_suffix(".json"), [path], make)
    with explained(path), unchanged(path):
        table = datasets.table.MemoryMappedTable.from_file(str(path))
    return datasets.Dataset(table, fingerprint=path.stem), facts


def key_of(text: str) -> str:
    """A name in the cache for what this text describes."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """An OSError while something in the cache is read or written becomes a SteepError."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in FULL:
            reason = "the disk is full. Make room, then run it again"
        where = error.filename2 or place  # what could not be replaced
        raise SteepError(
            f"{where}: the cache cannot be used: {reason}. (The cache is {cache_folder()}; it may "
            "be deleted, and HF_DATASETS_CACHE names another folder for it.)"
        ) from None


@contextmanager
def unchanged(place: Path) -> Iterator[None]:
    """Files of the cache that are no longer what their seal said, when opened, as a SteepError."""
    try:
        yield
    except (EOFError, ValueError) as error:
        raise SteepError(
            f"{place}: this part of the cache was changed in this moment ({brief(str(error))}). "
            "Run it again."
        ) from None


@contextmanager
def partial(path: Path) -> Iterator[Path]:
    """A file beside `path` that gets its name when it is complete, and is removed if it is not.

    Its name is its own, also where processes of several containers have one number. It is locked
    as long as its process lives, so that others know what a dead one has left.
    """
    own = uuid.uuid4().hex
    fresh, aside = path.with_name(f".{own}"), path.with_name(f"{path.name}.{own}{PARTIAL}")
    with fresh.open("xb") as held:
        lock(held)
        fresh.rename(aside)  # only now, or it would pass for one that was left
        try:
            yield aside
            if sys.platform == "win32":  # where an open file cannot be renamed
                held.close()
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


@cache
def remove_left_over(folder: Path) -> None:
    """Remove, once a process, what processes that are gone left half-written in the cache."""
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    for left in found:
        if LEFT.search(left.name) and left.is_file():
            with suppress(OSError), left.open("rb") as file:  # or another has removed it
                if lock(file):
                    left.unlink()


def _facts(seal: Path, paths: Sequence[Path]) -> Facts | None:
    """What the seal tells, if it is whole and every file is what it says."""
    try:
        if not all(path.is_file() for path in (seal, *paths)):
            return None
        with seal.open("rb") as stream:
            content = json.loads(stream.read(LONGEST_SEAL))
        if not isinstance(content, dict) or content.get("check") != _check(content.get("sealed")):
            return None
        files, facts = content["sealed"]["files"], content["sealed"]["facts"]
        states = {path.name: disk_state(path) for path in paths}
        if {name: known["state"] for name, known in files.items()} == states:
            return facts
        hashes = {path.name: hash_of(path) for path in paths}  # it may have been copied or touched
    except (OSError, ValueError, RecursionError):
        return None
    if {name: known["hash"] for name, known in files.items()} != hashes:
        return None
    with suppress(OSError):  # a cache that may only be read is as good
        _write_seal(seal, hashes, facts)
    return facts


def _write_seal(seal: Path, hashes: dict[str, str], facts: Facts) -> None:
    files = {
        name: {"state": disk_state(seal.with_name(name)), "hash": known}
        for name, known in hashes.items()
    }
    sealed = {"files": files, "facts": facts}
    with partial(seal) as aside:
        aside.write_text(json.dumps({"check": _check(sealed), "sealed": sealed}), encoding="utf-8")


def _check(sealed: Any) -> str:
    """A seal is written by Steep alone: nothing else in it is looked at more closely."""
    return key_of(json.dumps(sealed, sort_keys=True))


def fingerprint(path: Path) -> str:
    """A text that changes with the name or the content of a file.

    Of a file above `WHOLE`, of which a hash would take as long as reading it, the content is told
    by its first and last bytes and by its `disk_state`. Raises SteepError if it cannot be read.
    """
    with readable(path):
        if (state := disk_state(path))[0] <= WHOLE:
            return repr((str(path), hash_of(path)))
        with path.open("rb") as stream:
            ends = hashlib.sha256(stream.read(ENDS))
            stream.seek(-ENDS, os.SEEK_END)
            ends.update(stream.read(ENDS))
    return repr((str(path), ends.hexdigest(), state))


def hash_of(path: Path) -> str:
    """A hash of all bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disk_state(path: Path) -> list[int]:
    """Size, inode and times of a file; the last of these no program can set."""
    stat = path.stat()
    return [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]


def scratch(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros, in a file without a name, so that the system can page it out.

    The file is written before it is mapped: where the disk is full, a page of it that lies nowhere
    would end the process. Raises SteepError if it cannot be written.
    """
    size, folder = int(np.prod(shape)) * np.dtype(dtype).itemsize, cache_folder()
    if not size:
        return np.empty(shape, dtype)
    remove_left_over(folder)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            for begin in range(0, size, len(ZEROS)):
                file.write(ZEROS[: size - begin])
            file.flush()
            return np.memmap(file, dtype, "r+", shape=shape)


def select_rows(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The chosen rows, as a `scratch` array; all of them as they are."""
    if chosen.all():
        return rows
    found, filled = scratch((int(chosen.sum()), *rows.shape[1:]), rows.dtype), 0
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK][chosen[first : first + BLOCK]]
        found[filled : filled + len(part)] = part
        filled += len(part)
    return found


def flattened(table: datasets.Dataset) -> datasets.Dataset:
    """A table of chosen rows (`select`) as one of its own, kept in the cache; another as it is.

    `datasets` would write one wherever columns are added, and read it again unseen.
    """
    if table._indices is None:
        return table
    schema = table.features.arrow_schema

    def write(writer: Any) -> Facts:
        for group in table.with_format("arrow").iter(BATCH):
            writer.write_table(group.combine_chunks().cast(schema))  # else a batch a row
        return {"rows": len(table)}

    return kept_table(f"rows/{key_of(table._fingerprint)}", schema, write)[0]
