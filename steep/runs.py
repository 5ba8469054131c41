"""What is in a run folder, and how is it written? The only place that knows its file names.

    steep.json         stage, arguments, versions, seeds, data fingerprint, notes, seconds
    splits.json        row numbers of train, valid and test, by file
    history.csv        one line an epoch (fit) or a measurement (adapt)
    results.json       what the run found
    selected.jsonl     the texts that select chose
    look.json          words that adapt guesses better than before, and examples
    predictions/       valid.csv, test.csv: one line a row, in the file's order
    words.csv          a line a word of the rows that were explained, with its part of the score
    decisions.json     thresholds and temperatures, where the fit was asked for them
    export.json        what ONNX and int8 differ from torch by, beside model.onnx, model-int8.onnx
    seen.npy           hashes of the texts it was trained on, to find leaks later
    config.json, model.safetensors, tokenizer...      the checkpoint, as Hugging Face writes it

A study folder holds study.json, cells/, adapted/ and verdict.json instead (see `steep.study`).
While a run is under way its last save is in <folder>.unfinished/ (see `steep.train.saves`).
"""

import csv
import errno
import glob
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from steep.args.renamed import FORMAT, renamed
from steep.console import say
from steep.errors import SteepError
from steep.options import as_mapping

MANIFEST, SPLITS, HISTORY, RESULTS = "steep.json", "splits.json", "history.csv", "results.json"
PREDICTIONS, STUDY, CELLS, VERDICT = "predictions", "study.json", "cells", "verdict.json"
SEEN, SAVE, DECISIONS = "seen.npy", "save.safetensors", "decisions.json"
WEIGHTS, EXPORT = "model.safetensors", "export.json"
LOOK, SELECTED = "look.json", "selected.jsonl"
WORDS = "words.csv"
ONNX = {"onnx": "model.onnx", "int8": "model-int8.onnx"}
PACKAGES = ("steep", "torch", "transformers", "fastai", "datasets", "tokenizers", "numpy")


@dataclass
class Run:
    """A run folder while it is written: files go to `folder`, which gets its name at the end.

    `earlier` are the seconds that it took before it was killed and resumed.
    """

    folder: Path
    manifest: dict[str, Any] = field(default_factory=dict)
    earlier: float = 0.0

    def note(self, message: str) -> None:
        """Something the user should know: said once, and kept in the manifest."""
        if message not in self.manifest["notes"]:
            self.manifest["notes"].append(message)
            say(message)

    def record(self, **facts: Any) -> None:
        """Facts for the manifest (plain JSON values)."""
        self.manifest.update(facts)


@contextmanager
def writing(out: Path, stage: str, args: Any, overwrite: bool = False) -> Iterator[Run]:
    """A run folder that appears as `out` only when it is complete.

    Everything is written to a folder beside it, then renamed. Raises SteepError when `out` is in
    use (and `overwrite` is off), cannot be written, or the disk is full; then nothing is left.
    """
    _clean(out)
    check_free(out, overwrite)
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    started = time.monotonic()
    try:
        partial.mkdir(parents=True)
        run = Run(partial, manifest(stage, args))
        yield run
        run.record(seconds=round(run.earlier + time.monotonic() - started, 1))
        write_json(partial / MANIFEST, run.manifest)
        _swap(partial, out)
    except OSError as error:
        raise SteepError(_explain(error, out)) from error
    except SafetensorError as error:  # wraps a full disk, among others, and is no OSError
        raise SteepError(f"{out}: nothing was written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def adding(folder: Path) -> Iterator[Path]:
    """A folder for new files of the finished run `folder`: all are moved there at the end, or none.

    Raises SteepError when they cannot be written.
    """
    aside = folder / f".partial-{os.getpid()}"
    try:
        with explained(folder):
            aside.mkdir()
            yield aside
            for path in sorted(aside.iterdir()):
                path.replace(folder / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def explained(out: Path) -> Iterator[None]:
    """An OSError while `out` is written becomes a SteepError that names it."""
    try:
        yield
    except OSError as error:
        raise SteepError(_explain(error, out)) from error


def check_free(out: Path, overwrite: bool = False) -> None:
    """Raises SteepError if `out` is a file, or a folder in use that may not be replaced.

    Only what Steep has written is ever replaced.
    """
    if out.is_file():
        raise SteepError(f"{out} is a file; --out must name a folder.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not overwrite:
        raise SteepError(f"{out} is in use. Choose another --out, or add --overwrite.")
    if not any((out / name).is_file() for name in (MANIFEST, STUDY)):
        raise SteepError(
            f"{out} was not written by Steep, so --overwrite does not remove it. Choose another "
            "--out, or empty it yourself."
        )


def unfinished(out: Path) -> Path:
    """The folder beside `out` in which a run that is under way keeps its last save."""
    return out.with_name(f"{out.name}.unfinished")


def make(out: Path, overwrite: bool = False) -> None:
    """An empty folder that fills up bit by bit, as a study does; SteepError if it is in use."""
    check_free(out, overwrite)
    with explained(out):
        if out.exists() and overwrite:
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)


def check_space(out: Path, needed: int) -> None:
    """Raises SteepError if fewer than `needed` bytes are free where `out` will be."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise SteepError(
            f"{out}: {needed / 1e6:,.0f} MB are needed, but only {free / 1e6:,.0f} MB are free. "
            "Make room, or choose an --out on another disk."
        )


def write_json(path: Path, value: Any) -> None:
    """Plain JSON, written aside and renamed, so that a reader never sees half of it."""
    with aside(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: Path, lines: list[dict[str, Any]]) -> None:
    """One line a dictionary; the columns are the keys of the first line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def write_hashes(folder: Path, hashes: np.ndarray) -> None:
    """Keep which texts a run was trained on: their sorted hashes, uint64, without repetition."""
    np.save(folder / SEEN, np.unique(hashes), allow_pickle=False)


def read_hashes(folder: Path) -> np.ndarray:
    """The hashes of the texts that a run was trained on; none where it kept none."""
    if not (folder / SEEN).is_file():
        return np.empty(0, np.uint64)
    return np.load(folder / SEEN, allow_pickle=False)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A file beside `path` that gets its name when it is complete, and is removed if it is not."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two processes may write it
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """The content of a JSON file; SteepError if it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SteepError(f"{path}: there is no such file.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SteepError(f"{path}: not valid JSON: {error}.") from None


def read_manifest(folder: Path, stage: str) -> dict[str, Any]:
    """The manifest of a finished run of `stage`; SteepError if `folder` holds none."""
    if not (folder / MANIFEST).is_file():
        raise SteepError(f"{folder}: not a folder written by 'steep {stage}' (no {MANIFEST}).")
    if (found := stage_of(folder)) != stage:
        raise SteepError(f"{folder}: written by 'steep {found}', not '{stage}'.")
    return manifest_at(folder / MANIFEST)


def manifest_at(path: Path) -> dict[str, Any]:
    """A steep.json or study.json, with the option names of this version; SteepError if broken."""
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise SteepError(f"{path}: not a JSON object.")
    return renamed(manifest)


def stage_of(folder: str | Path | None) -> str | None:
    """The stage whose finished run `folder` is; None where it is none."""
    path = Path(folder) / MANIFEST if folder is not None else None
    return manifest_at(path).get("stage") if path is not None and path.is_file() else None


def manifest(stage: str, args: Any) -> dict[str, Any]:
    """What is known of a run when it starts: options, versions, machine, time."""
    return {
        "stage": stage,
        "format": FORMAT,
        "args": as_mapping(args),
        "versions": versions(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": [],
    }


def versions() -> dict[str, str]:
    """Of Python, and of all that results may depend on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _swap(partial: Path, out: Path) -> None:
    """Give `partial` the name `out`; what stood there is removed only afterwards."""
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _clean(out: Path) -> None:
    """Remove what killed runs left half-written beside `out`; a folder renamed away comes back."""
    for kind in ("old", "partial"):
        for left in out.parent.glob(f".{glob.escape(out.name)}.{kind}-*"):
            process = left.name.rpartition("-")[2]
            if not process.isdigit() or _is_running(int(process)):
                continue
            if kind == "old" and not out.exists():
                left.rename(out)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _explain(error: OSError, out: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"{out}: the disk is full; nothing was written. Make room, then run it again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{out}: may not be written: {error.strerror}. Choose another --out."
    return f"{error.filename or out}: {error.strerror or error}."
