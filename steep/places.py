"""Where may a command write? One decision for all of them, at their start and again at the end."""

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from steep import ownership, runs
from steep.args.recipes import OWN_FILE
from steep.errors import SteepError
from steep.options import as_mapping, options_of
from steep.wording import some

Kind = Literal["folder", "study", "demo", "CSV", "JSON", "HTML", "Markdown"]  # the last are files
FOLDERS = ("folder", "study", "demo")
LONGEST = 200  # bytes of a name; file systems allow 255, and what lies beside it has longer names
CHECKPOINTS = ("model", "base")  # options of text that may name a folder


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
        if kind not in FOLDERS:
            _check_file(path, kind, found, overwrite)
        else:
            _check_folder(path, kind, found)
            _check_content(path, kind, overwrite)
    return Place(path, target, kind, (found.st_dev, found.st_ino) if found else None)


def inputs_of(args: Any, *sources: Any) -> list[Path]:
    """The files and folders that a command reads: its sources (or lists of them), and options."""
    values, found = as_mapping(args), []
    for source in sources:
        several = source if isinstance(source, list | tuple) else [source]
        found += [given for given in several if isinstance(given, str | Path)]
    for option in options_of(type(args)):
        value = values[option.name]
        if option.name in CHECKPOINTS or Path in (option.hint, *get_args(option.hint)):
            found += value if isinstance(value, list) else [value]
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


def _check_file(path: Path, kind: Kind, found: os.stat_result, overwrite: bool) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise SteepError(f"{path} is a folder; --out must name a {kind} file.")
    if not stat.S_ISREG(found.st_mode):
        raise SteepError(f"{path} is a device or a pipe; --out must name a {kind} file.")
    if not overwrite:
        raise SteepError(f"{path} is in use. Choose another --out, or add --overwrite.")


def _check_folder(path: Path, kind: Kind, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        what = "a file" if stat.S_ISREG(found.st_mode) else "a device or a pipe"
        raise SteepError(f"{path} is {what}; --out must name a folder.")
    real, here = Path(os.path.realpath(path)), Path.cwd()
    if kind != "demo" and real in (here, *here.parents):
        raise SteepError(f"{path}: the current folder is no --out; name a folder within it.")
    if kind != "demo" and real.is_mount():
        raise SteepError(f"{path} is the top of a disk; --out must name a folder within it.")


def _check_content(path: Path, kind: Kind, overwrite: bool) -> None:
    """Raises SteepError if a folder in use may not be replaced."""
    resumed = kind == "study" and not overwrite and (path / runs.STUDY).is_file()
    if resumed or not any(path.iterdir()):
        return
    if not overwrite:
        raise SteepError(f"{path} is in use. Choose another --out, or add --overwrite.")
    if kind == "demo":  # each of its steps decides for its own part
        return
    if not ownership.is_written(path):
        raise SteepError(
            f"{path} was not written by Steep, so --overwrite does not remove it. Choose another "
            "--out, or empty it yourself."
        )
    if foreign := ownership.foreign_in(path):
        raise SteepError(
            f"{path} holds what Steep did not write ({some(foreign)}), so --overwrite does not "
            "remove it. Move that away, or choose another --out."
        )
