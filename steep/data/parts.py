"""How is a large text tokenised? In parts, on all cores; each is kept as soon as it is finished.

A part is an entry of the cache like any other: sealed, and made anew where it is damaged. So a run
that is killed, however it was, loses the parts at which it was working, and no other. When all are
there they are joined, and go.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np

from steep.console import track
from steep.data.cache_files import Facts, kept, unchanged
from steep.data.corpus import Corpus
from steep.errors import SteepError

PART = 1 << 26  # bytes of text in a part: seconds of work
MOST = 256  # parts of a text: files that are open together
PARALLELISM = "TOKENIZERS_PARALLELISM"  # of threads, which a forked process must not use

Paths = Sequence[Path]
Write = Callable[[range, Paths], Facts]
"""Rows of a text -> their ids and offsets, written to two files; and what is known of them."""


def parts_of(corpus: Corpus) -> list[range]:
    """The rows of each part of a text: as many in all, about `PART` bytes or more."""
    rows, size = len(corpus), corpus.table.data.nbytes
    count = max(1, min(MOST, rows, round(size / PART)))
    edges = np.linspace(0, rows, count + 1).astype(int).tolist()
    return [range(*pair) for pair in zip(edges, edges[1:], strict=False)]


def write_parts(parts: Sequence[range], folder: Path, write: Write, whole: Paths) -> Facts:
    """Write the parts into `folder`, those that are not there yet, and join them as `whole`.

    Other processes help; what they leave undone, for whatever reason, this one does, and says why
    it cannot.
    """

    def part(rows: range) -> tuple[Paths, Facts]:
        place = folder / f"{rows.start}-{rows.stop}"
        paths = place / "ids.npy", place / "offsets.npy"
        return paths, kept(place / "seal.json", paths, lambda aside: write(rows, aside))

    count = min(cores(), len(parts))

    def work(number: int) -> None:
        own = parts[number::count]
        for rows in own if number else track(own, len(own), "tokenising"):
            part(rows)
            if number and os.getppid() != parent:
                return  # nobody waits for the rest

    parent = os.getpid()
    with _helpers(work, count):
        work(0)
    made = [part(rows) for rows in parts]
    with unchanged(folder):
        _join([paths for paths, _ in made], whole)
    return {name: sum(facts[name] for _, facts in made) for name in made[0][1]}


def cores() -> int:
    """Processes that tokenise together: one a core, where a process can be forked safely."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


@contextmanager
def _helpers(work: Callable[[int], None], count: int) -> Iterator[None]:
    """Processes that do `work` from 1 up to, not with, `count`; they end with this block."""
    before = os.environ.get(PARALLELISM)
    os.environ[PARALLELISM] = "false"  # before the fork, or tokenizers warns of it
    others = []
    try:
        for number in range(1, count):
            process = multiprocessing.get_context("fork").Process(target=_help, args=(work, number))
            process.start()
            others.append(process)
        yield
        for process in others:
            process.join()
    finally:
        for process in others:
            process.kill()
        os.environ.pop(PARALLELISM)
        if before is not None:
            os.environ[PARALLELISM] = before


def _help(work: Callable[[int], None], number: int) -> None:
    """What a helping process does; it leaves Ctrl-C, and every complaint, to the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(SteepError, OSError):
        work(number)


def _join(parts: Sequence[Paths], whole: Paths) -> None:
    """One file of ids and one of offsets, of those of the parts."""
    tokens, texts = 0, 0
    with whole[0].open("wb") as ids, whole[1].open("wb") as offsets:
        write_header(ids, "<i4", 0)
        write_header(offsets, "<i8", 0)
        offsets.write(np.zeros(1, "<i8").data)
        for some, ends in ((np.load(path, mmap_mode="r") for path in paths) for paths in parts):
            ids.write(some.data)
            offsets.write((ends[1:] + tokens).data)
            tokens, texts = tokens + len(some), texts + len(ends) - 1
        for stream, kind, length in ((ids, "<i4", tokens), (offsets, "<i8", texts + 1)):
            stream.seek(0)
            write_header(stream, kind, length)  # as long as before: numpy leaves it room


def write_header(stream: IO[bytes], kind: str, length: int) -> None:
    """What a .npy file of so many numbers begins with."""
    shape = {"descr": kind, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, shape)
