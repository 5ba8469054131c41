"""What is in a run folder? The only place that knows its file names, and reads and writes them.

    steep.json         stage, arguments, versions, seeds, data fingerprint, notes, seconds, and the
                       names of all files that Steep wrote here: only these are ever replaced
    splits.json        row numbers of train, valid and test, by file
    history.csv        one line an epoch (fit) or a measurement (adapt)
    results.json       what the run found
    selected.jsonl     the texts that select chose
    look.json          words that adapt guesses better than before, and examples
    predictions/       valid.csv, test.csv: one line a row, in the file's order
    groups.csv         a line a group that texts mention, with its metrics of bias
    words.csv          a line a word of the rows that were explained, with its part of the score
    decisions.json     thresholds and temperatures, where the fit was asked for them
    export.json        what ONNX and int8 differ from torch by, beside model.onnx, model-int8.onnx
    seen.npy           hashes of the texts it was trained on, to find leaks later
    config.json, model.safetensors, tokenizer...      the checkpoint, as Hugging Face writes it

A study folder holds study.json, cells/, adapted/, verdict.json and perhaps bias.json instead (see
`steep.study`).
While a run is under way its last save is in <folder>.unfinished/ (see `steep.train.saves`). Where
a folder may be written, and how it appears, say `steep.places` and `steep.outputs`.
"""

import csv
import json
import os
import platform
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.console import say
from steep.errors import SteepError, unreadable
from steep.options import as_mapping
from steep.wording import brief, quoted, twice, visible

if TYPE_CHECKING:
    from steep.shapes import Shape

MANIFEST, SPLITS, HISTORY, RESULTS = "steep.json", "splits.json", "history.csv", "results.json"
PREDICTIONS, STUDY, CELLS, VERDICT = "predictions", "study.json", "cells", "verdict.json"
SEEN, SAVE, DECISIONS = "seen.npy", "save.safetensors", "decisions.json"
WEIGHTS, EXPORT = "model.safetensors", "export.json"
LOOK, SELECTED = "look.json", "selected.jsonl"
WORDS, CARD = "words.csv", "README.md"
GROUPS, BIAS = "groups.csv", "bias.json"
REPORT, REPORT_TWIN = "report.html", "report.md"
ONNX = {"onnx": "model.onnx", "int8": "model-int8.onnx"}
UNFINISHED = ".unfinished"
WROTE = "wrote"  # the manifest's list of all files of the folder that Steep wrote
CHECKPOINT = (
    *("config.json", "generation_config.json", WEIGHTS, f"{WEIGHTS}.index.json", "vocab.txt"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "spiece.model", "spm.model", "sentencepiece.bpe.model"),
    *("tokenizer.model", "chat_template.jinja", "bpe.codes", "dict.txt"),
)
OF_RUN = frozenset(
    {MANIFEST, SPLITS, HISTORY, RESULTS, SEEN, DECISIONS, EXPORT, LOOK, SELECTED, WORDS, GROUPS}
    | {CARD, REPORT, REPORT_TWIN, *ONNX.values(), *CHECKPOINT, f"{PREDICTIONS}/"}
    | {f"{PREDICTIONS}/{part}.csv" for part in ("valid", "test")}
)
PAGES = frozenset({CARD, REPORT, REPORT_TWIN})
OF_STUDY = frozenset({STUDY, SPLITS, VERDICT, BIAS, REPORT, REPORT_TWIN, f"{CELLS}/"})
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
CELL = re.compile(r"[^/]+-seed-?\d+\.(json|csv)")
LEFT = re.compile(  # by killed runs; those with a number by the version before
    r"\.(.+\.)?steep-(partial|lock)(/.*)?|\..+\.(partial|old)-\d+/.*|.+\.\d+\.partial"
)
FORMAT = 2  # of steep.json and study.json; those of the first have no number
PACKAGES = ("steep", "torch", "transformers", "fastai", "datasets", "tokenizers", "numpy")
HALF = re.compile("[\ud800-\udfff]")  # of a character: what no file of UTF-8 holds
WRITE_AGAIN = "Fix it, or run the command again that wrote it."


@dataclass
class Run:
    """A run folder while it is written: files go to `folder`, which becomes `out` at the end.

    `earlier` are the seconds that it took before it was killed and resumed; `afterwards` is done
    when the folder is complete, and no other run may write it yet.
    """

    folder: Path
    out: Path
    manifest: dict[str, Any] = field(default_factory=dict)
    earlier: float = 0.0
    afterwards: list[Callable[[], None]] = field(default_factory=list)

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
    return out.with_name(f"{out.name}{UNFINISHED}")


def write_json(path: Path, value: Any) -> None:
    """Plain JSON, written aside and renamed, so that a reader never sees half of it.

    The bytes of a path that is not UTF-8 are written as messages show them, such as '\\xe9'.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    text = HALF.sub(lambda found: json.dumps(visible(found.group()))[1:-1], text)
    with aside(path) as partial:
        partial.write_text(text, encoding="utf-8")


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
    """The hashes of the texts that a run was trained on; none where it kept none.

    Raises SteepError if the file holds anything else.
    """
    path = folder / SEEN
    if not path.is_file():
        return np.empty(0, np.uint64)
    try:  # mapped: a damaged header cannot ask for more memory than the file has bytes
        found = np.lib.format.open_memmap(path, mode="r")
        if found.ndim != 1 or found.dtype != np.uint64:
            raise ValueError(f"it has the type {found.dtype} and {found.ndim} dimensions")
    except (OSError, ValueError, OverflowError, TokenError) as error:
        raise SteepError(
            f"{path}: not the hashes of training texts that Steep keeps ({brief(str(error))}). "
            "Remove the file to go without a check for known texts, or run the command again that "
            "wrote it."
        ) from None
    return np.array(found)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A file beside `path` that gets its name when it is complete, and is removed if it is not."""
    partial = path.with_name(f".{secrets.token_hex(8)}.steep-partial")  # others may write it, too
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path, remedy: str = WRITE_AGAIN) -> Any:
    """The content of a JSON file; SteepError if it is missing, or with `remedy` if broken."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark first
        content = json.loads(text, object_pairs_hook=_once_each)
        if "\\ud" in text or "\\uD" in text:  # half a character, which no file holds
            json.dumps(content, ensure_ascii=False).encode()
    except OSError as error:
        raise SteepError(unreadable(path, error)) from None
    except (ValueError, RecursionError) as error:  # ValueError also of numbers without an end
        told = f"{path}: not valid JSON: {brief(str(error), 200)}."
        raise SteepError(f"{told} {remedy}") from None
    return content


def read_shaped(path: Path, shape: "Shape", remedy: str = WRITE_AGAIN) -> Any:
    """The content of a JSON file of this shape; SteepError with `remedy` if it has another."""
    from steep.shapes import checked

    return checked(read_json(path, remedy), shape, path, remedy)


def read_manifest(folder: Path, stage: str, shape: "Shape | None" = None) -> dict[str, Any]:
    """The manifest of a finished run of `stage`; SteepError if `folder` holds none.

    `shape` is one of `run_shapes`, by default that of any stage.
    """
    if not (folder / MANIFEST).is_file():
        raise SteepError(f"{folder}: not a folder written by 'steep {stage}' (no {MANIFEST}).")
    if (found := stage_of(folder)) != stage:
        raise SteepError(f"{folder}: written by 'steep {brief(str(found))}', not '{stage}'.")
    return manifest_at(folder / MANIFEST, shape)


def read_step2(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and results of a finished `steep adapt`; SteepError if either is broken."""
    from steep import run_shapes

    made = read_manifest(folder, "adapt", run_shapes.STEP2)
    return made, read_shaped(folder / RESULTS, run_shapes.ADAPT_RESULTS)


def manifest_at(path: Path, shape: "Shape | None" = None) -> dict[str, Any]:
    """A steep.json or study.json, with the option names of this version.

    Raises SteepError if it is broken, or of a newer version.
    """
    from steep import run_shapes
    from steep.args.kept import renamed
    from steep.shapes import checked

    content = read_json(path)
    written = content.get("format") if isinstance(content, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise SteepError(
            f"{path}: written by a newer version of Steep (its format is {brief(str(written))}, "
            f"this version reads up to {FORMAT}). Update Steep."
        )
    return renamed(checked(content, shape or run_shapes.MANIFEST, path, WRITE_AGAIN))


def stage_of(folder: str | Path | None) -> str | None:
    """The stage whose finished run `folder` is; None where it is none."""
    path = Path(folder) / MANIFEST if folder is not None else None
    return manifest_at(path)["stage"] if path is not None and path.is_file() else None


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


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError where a key is there twice."""
    if (name := twice([name for name, _ in pairs])) is not None:
        raise ValueError(f"the key {quoted(name)} is there twice")
    return dict(pairs)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
