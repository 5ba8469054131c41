"""What in a folder did Steep write? Nothing else is ever replaced or removed.

The manifest of a run lists its files; reports and exports add theirs. A study, and a run of the
version before, have no list: there the names count that `steep.runs` knows.
"""

import os
import stat
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from pathlib import Path

from steep import runs
from steep.errors import SteepError

MARK, END = b"Written by steep", 2000  # bytes at the end of a page of Steep
Own = Callable[[str], bool]  # whether a path within a folder is one that Steep wrote


def is_written(folder: Path) -> bool:
    """Whether Steep wrote the folder: that of a run, or of a study."""
    return any((folder / name).is_file() for name in (runs.MANIFEST, runs.STUDY))


def is_page(path: Path) -> bool:
    """Whether a file is a report or a model card of Steep, by what stands at its end."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - END))
        return MARK in stream.read()


def foreign_in(folder: Path) -> list[str]:
    """What is in a folder of Steep and not written by Steep: files, links and empty folders.

    Paths within the folder, sorted. Links, pipes and devices are never Steep's.
    """
    own = _own_in(folder)
    return sorted(leaf for leaf, plain in _leaves(folder) if not (plain and own(leaf)))


def remove_own(folder: Path) -> None:
    """Remove what Steep wrote in a folder, and the folder if nothing else is in it."""
    own, emptied = _own_in(folder), {folder}
    for leaf in [leaf for leaf, plain in _leaves(folder) if plain and own(leaf)]:
        path = folder / leaf
        if leaf.endswith("/"):
            path.rmdir()
        else:
            path.unlink()
        emptied |= {folder / parent for parent in Path(leaf).parents}
    for place in sorted(emptied, key=lambda path: -len(path.parts)):
        with suppress(OSError):  # not empty
            place.rmdir()


def files_in(folder: Path) -> list[str]:
    """All files in a folder, as paths within it, sorted."""
    return sorted(leaf for leaf, _ in _leaves(folder) if not leaf.endswith("/"))


def add_to_list(folder: Path, names: list[str]) -> None:
    """List further files in the manifest of a run, where it has a list."""
    if wrote(folder) is not None:
        manifest = runs.read_json(folder / runs.MANIFEST)
        known = {*manifest[runs.WROTE], *names}
        runs.write_json(folder / runs.MANIFEST, manifest | {runs.WROTE: sorted(known)})


def wrote(folder: Path) -> list[str] | None:
    """The files that the manifest lists; None where there is no such list."""
    try:
        manifest = runs.read_json(folder / runs.MANIFEST)
    except SteepError:  # a manifest that is broken is no reason to keep the folder
        return None
    names = manifest.get(runs.WROTE) if isinstance(manifest, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None


def _leaves(folder: Path) -> Iterator[tuple[str, bool]]:
    """Files, links and empty folders (these end with '/'); and whether each is a plain one."""

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=refuse):
        here = Path(place).relative_to(folder)
        if not folders and not files and here.parts:
            yield f"{here.as_posix()}/", True
        for name in (*folders, *files):
            mode = (Path(place) / name).lstat().st_mode
            if not stat.S_ISDIR(mode):
                yield (here / name).as_posix(), stat.S_ISREG(mode)


def _own_in(folder: Path) -> Own:
    if not (folder / runs.STUDY).is_file():
        return _own_in_run(folder)
    within = {p.name: _own_in_run(p) for p in folder.iterdir() if (p / runs.MANIFEST).is_file()}

    def own(leaf: str) -> bool:
        first, _, rest = leaf.partition("/")
        if first in within:
            return within[first](rest)
        if first == runs.CELLS and rest:
            return any(name.fullmatch(rest) for name in (runs.CELL, runs.LEFT))
        if first.endswith(runs.UNFINISHED) and rest:
            return rest.startswith(runs.SAVE)
        return _is_known(folder, leaf, runs.OF_STUDY) or runs.LEFT.fullmatch(leaf) is not None

    return own


def _own_in_run(folder: Path) -> Own:
    names = wrote(folder)
    listed = frozenset(names or ()) | {runs.MANIFEST}

    def own(leaf: str) -> bool:
        if runs.LEFT.fullmatch(leaf):
            return True
        if names is None:
            return _is_known(folder, leaf, runs.OF_RUN) or runs.SHARD.fullmatch(leaf) is not None
        return leaf in listed or (leaf.endswith("/") and any(n.startswith(leaf) for n in names))

    return own


def _is_known(folder: Path, leaf: str, names: Set[str]) -> bool:
    """Whether `leaf` has one of the names; of pages, which people write, too, by their end."""
    return leaf in names and (leaf not in runs.PAGES or is_page(folder / leaf))
