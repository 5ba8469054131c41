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


def unfinished(out: Path) -> Path:
    """The folder beside `out` in which a run that is under way keeps its last save."""
    return out.with_name(f"{out.name}.unfinished")


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
