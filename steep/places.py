"""Where may a command write, and what that stands there did Steep write?

One decision for all commands, at their start and again at the end. Nothing that Steep did not write
is ever replaced or removed: the manifest of a run lists its files; reports and exports add theirs.
A study, and a run of the version before, have no list: there the names count that `steep.runs`
knows.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steep import runs
from steep.args.chosen import OWN_FILE
from steep.errors import SteepError
from steep.options import as_mapping, files_in_options
from steep.wording import some

Kind = Literal["folder", "study", "demo", "CSV", "JSON", "HTML", "Markdown"]  # the last are files
FOLDERS = ("folder", "study", "demo")
LONGEST = 200  # bytes of a name; file systems allow 255, and what lies beside it has longer names
CHECKPOINTS = ("model", "base", "onto")  # options of text that may name a folder
MARK, END = b"Written by steep", 2000  # bytes at the end of a page of Steep
Own = Callable[[str], bool]  # whether a path within a folder is one that Steep wrote


@dataclass(frozen=True)
class Place:
    """Where an output may be written, and what stands there.

    `path` is as it was named, `target` where its links lead; `there` says which file or folder it
    is, None where there is nothing.
    """

    path: Path
    target: Path
    kind: Kind
    there: tuple[int, int] | None

    def beside(self, what: str) -> Path:
        """A hidden name beside the target, on the same disk."""
        return self.target.with_name(f".{self.target.name}.steep-{what}")


def find_place(
    path: Path, kind: Kind, overwrite: bool = False, inputs: Sequence[Path] = ()
) -> Place:
    """The place that `path` names; SteepError if a command may not write there.

    It has to be free, or with `overwrite` hold nothing that Steep did not write; a study that is
    there may go on. A single file is replaced with `overwrite`, whoever wrote it, but never one of
    the `inputs`. Nothing is written or removed here.
    """
    target = _target(path)
    found = _status(path)
    if found is not None:
        _check_inputs(path, found, inputs)
        _check_kind(path, kind, found)
        resumed = kind == "study" and (path / runs.STUDY).is_file()
        full = kind not in FOLDERS or any(path.iterdir())
        if full and not overwrite and not resumed:
            raise SteepError(f"{path} is in use. Choose another --out, or add --overwrite.")
        if full and overwrite and kind in ("folder", "study"):  # each step of a demo looks itself
            _check_own(path)
    return Place(path, target, kind, (found.st_dev, found.st_ino) if found else None)


def inputs_of(args: Any, *sources: Any) -> list[Path]:
    """The files and folders that a command reads: its sources (or lists of them), and options."""
    values, found = as_mapping(args), []
    for source in sources:
        several = source if isinstance(source, list | tuple) else [source]
        found += [given for given in several if isinstance(given, str | Path)]
    found += files_in_options(type(args), values)
    found += [values[name] for name in CHECKPOINTS if values.get(name)] + values.get("rank", [])
    words = [str(values.get("recipe", "")), *str(values.get("arms", "")).split(",")]
    found += [word for word in words if word.endswith(OWN_FILE)]
    return [Path(given) for given in found if given]


def _target(path: Path) -> Path:
    """Where the links of `path` lead; SteepError where its name cannot be written."""
    if "\0" in str(path):
        raise SteepError(f"{str(path)!r}: a file name cannot hold the character NUL.")
    real = Path(os.path.realpath(path))
    shown = os.fsencode(real).decode("utf-8", "backslashreplace")
    if shown != str(real):
        raise SteepError(f"{shown}: this name is not UTF-8. Choose another --out.")
    if real.parent == real:
        raise SteepError(f"{path} is the root of the file system; --out must name a place in it.")
    if (length := len(os.fsencode(real.name))) > LONGEST:
        raise SteepError(
            f"{str(path)[:40]}...: a name of {length:,} bytes is too long; at most {LONGEST} can "
            "be used. Choose a shorter --out."
        )
    plain = path.name not in ("", "..") and path.absolute() == real
    return path if plain else real  # as the user named it, where no link is in between


def _status(path: Path) -> os.stat_result | None:
    """What stands at `path`, following links; SteepError where nothing can be there."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        file = next(p for p in path.parents if p.exists() and not p.is_dir())
        raise SteepError(f"{file} is a file, so {path} cannot be written.") from None
    except OSError as error:
        reason = "a link that leads to itself" if error.errno == errno.ELOOP else error.strerror
        raise SteepError(f"{path}: cannot be written: {reason}. Choose another --out.") from None


def check_config(config: Path, out: Path) -> None:
    """Raises SteepError if writing `out` would replace the file of its own options."""
    if (found := _status(out)) is not None:
        _check_inputs(out, found, [config])


def _check_inputs(path: Path, found: os.stat_result, inputs: Sequence[Path]) -> None:
    """Raises SteepError if writing to `path` would replace an input, or a part of one."""
    own = Path(os.path.realpath(path))
    for given in inputs:
        try:
            there = given.stat()
        except (OSError, ValueError):  # whoever reads it says what is wrong
            continue
        real = Path(os.path.realpath(given))
        if os.path.samestat(found, there):
            name = "" if path == given else f" ({given})"
            raise SteepError(
                f"{path} is an input of this command{name} and would be lost. Choose another --out."
            )
        if own in real.parents or (real in own.parents and not stat.S_ISDIR(found.st_mode)):
            one, other = (path, given) if own in real.parents else (given, path)
            raise SteepError(
                f"{one} holds {other}: an input of this command would be lost. Choose another "
                "--out."
            )


def _check_kind(path: Path, kind: Kind, found: os.stat_result) -> None:
    """Raises SteepError where something else stands than is written, or a folder that must stay."""
    folder, file = stat.S_ISDIR(found.st_mode), stat.S_ISREG(found.st_mode)
    if not (folder if kind in FOLDERS else file):
        what = "a folder" if folder else "a file" if file else "a device or a pipe"
        expected = "folder" if kind in FOLDERS else f"{kind} file"
        raise SteepError(f"{path} is {what}; --out must name a {expected}.")
    if kind not in FOLDERS:
        return
    real, here = Path(os.path.realpath(path)), Path.cwd()
    if kind != "demo" and real in (here, *here.parents):
        raise SteepError(f"{path}: the current folder is no --out; name a folder within it.")
    if kind != "demo" and real.is_mount():
        raise SteepError(f"{path} is the top of a disk; --out must name a folder within it.")


def _check_own(path: Path) -> None:
    """Raises SteepError if a folder holds what Steep did not write."""
    if not is_written(path):
        raise SteepError(
            f"{path} was not written by Steep, so --overwrite does not remove it. Choose another "
            "--out, or empty it yourself."
        )
    if foreign := foreign_in(path):
        raise SteepError(
            f"{path} holds what Steep did not write ({some(foreign)}), so --overwrite does not "
            "remove it. Move that away, or choose another --out."
        )


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
        path.rmdir() if leaf.endswith("/") else path.unlink()
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
