"""What did a run or a study leave behind? Reads its folder; missing extras are simply absent."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from steep import runs
from steep.errors import SteepError
from steep.reports.blocks import Page

ADAPTED = "adapted"
STUDY_KEYS = ("stage", "args", "arms", "seeds", "metric", "task")
VERDICT_KEYS = ("answer", "sentence", "metric", "arms")
LOOK_KEYS = ("tokens", "least", "words", "better", "worse", "examples")


@dataclass(frozen=True)
class RunFolder:
    """A run that has a report; `history` is empty and `predictions` lacks what is absent.

    `predictions` holds a table for each part: row, id, text, truth and predicted are text, the
    probabilities p_LABEL float64; text is absent where the run was told to leave texts out.
    """

    name: str
    manifest: dict[str, Any]
    results: dict[str, Any]
    history: pd.DataFrame
    predictions: dict[str, pd.DataFrame]
    look: dict[str, Any] | None = None

    @property
    def seeds(self) -> list[int]:
        """The seed of the run, if it has one."""
        return [self.manifest["args"]["seed"]] if "seed" in self.manifest["args"] else []

    @property
    def notes(self) -> list[str]:
        """What the run noted."""
        return self.manifest.get("notes", [])

    @property
    def model(self) -> str | None:
        """The folder that was evaluated, where there was one."""
        return self.results.get("model")

    @property
    def sources(self) -> list[str]:
        """Files beyond those with labels."""
        return [source["name"] for source in self.results.get("sources", [])]


@dataclass(frozen=True)
class StudyCell:
    """One arm with one seed; `predictions` are on the test part.

    `labels` is the number of training labels that it was allowed; None for all.
    """

    arm: str
    seed: int
    labels: int | None
    facts: dict[str, Any]
    predictions: pd.DataFrame | None


@dataclass(frozen=True)
class StudyFolder:
    """A study of compare; `verdict` is None as long as it is not finished."""

    name: str
    manifest: dict[str, Any]
    verdict: dict[str, Any] | None
    cells: list[StudyCell]
    adapted: RunFolder | None
    step2: dict[str, float]  # seconds of step 2, by the arms that have a folder of their own

    model: ClassVar[str | None] = None
    sources: ClassVar[list[str]] = []

    @property
    def seeds(self) -> list[int]:
        """The seeds of the study."""
        return [int(seed) for seed in self.manifest["seeds"]]

    @property
    def notes(self) -> list[str]:
        """What the study noted, and its step 2."""
        return [*self.manifest.get("notes", []), *(self.adapted.notes if self.adapted else [])]

    @property
    def arms(self) -> list[str]:
        """The arms that have cells, in the order of the study."""
        done = {cell.arm for cell in self.cells}
        return [arm for arm in self.manifest["arms"] if arm in done]

    def of(self, arm: str) -> list[StudyCell]:
        """The cells of one arm, by seed; those with the most labels, which decide."""
        most = max((c.labels or math.inf for c in self.cells), default=math.inf)
        found = (c for c in self.cells if c.arm == arm and (c.labels or math.inf) == most)
        return sorted(found, key=lambda cell: cell.seed)


@dataclass(frozen=True)
class StagePage:
    """How a stage is reported.

    `options` is the composition of its options, for the command that does it again; `page` makes
    the page of a folder (RunFolder, or StudyFolder for compare), with texts of the data or without;
    `needed` are keys that its results.json must have.
    """

    options: type[Any]
    page: Callable[[Any, bool], Page]
    needed: tuple[str, ...] = ()


Stages = Mapping[str, StagePage]


def read_folder(folder: Path, stages: Stages) -> RunFolder | StudyFolder:
    """What lies in the folder of a study, or of a run of `stages`; SteepError if it is neither."""
    if not folder.is_dir():
        raise SteepError(f"{folder}: there is no such folder.")
    if (folder / runs.STUDY).is_file():
        return _study(folder, stages)
    if (folder / runs.MANIFEST).is_file():
        return read_run(folder, stages)
    raise SteepError(
        f"{folder}: neither a run (no {runs.MANIFEST}) nor a study (no {runs.STUDY}). "
        "Name a folder written by 'steep adapt', 'steep fit', 'steep evaluate' or 'steep compare'."
    )


def read_run(folder: Path, stages: Stages) -> RunFolder:
    """What lies in the folder of one run; SteepError if a file is broken, or it has no report."""
    path = folder / runs.MANIFEST
    manifest = _with(runs.manifest_at(path), ("stage", "args"), path)
    if manifest["stage"] not in stages:
        raise SteepError(
            f"{folder}: written by 'steep {manifest['stage']}', which has no report; "
            f"those of {', '.join(stages)} have one."
        )
    results = _mapping(folder / runs.RESULTS, stages[manifest["stage"]].needed)
    parts = {part: folder / runs.PREDICTIONS / f"{part}.csv" for part in ("valid", "test")}
    look = folder / runs.LOOK
    return RunFolder(
        name=folder.resolve().name,
        manifest=manifest,
        results=results,
        history=_history(folder / runs.HISTORY),
        predictions={part: _predictions(path) for part, path in parts.items() if path.is_file()},
        look=_mapping(look, LOOK_KEYS) if look.is_file() else None,
    )


def _study(folder: Path, stages: Stages) -> StudyFolder:
    path, verdict, adapted = folder / runs.STUDY, folder / runs.VERDICT, folder / ADAPTED
    return StudyFolder(
        name=folder.resolve().name,
        manifest=_with(runs.manifest_at(path), STUDY_KEYS, path),
        verdict=_mapping(verdict, VERDICT_KEYS) if verdict.is_file() else None,
        cells=[_cell(path) for path in sorted((folder / runs.CELLS).glob("*.json"))],
        adapted=read_run(adapted, stages) if (adapted / runs.MANIFEST).is_file() else None,
        step2=_step2(folder),
    )


def _step2(folder: Path) -> dict[str, float]:
    paths = folder.glob(f"*/{runs.MANIFEST}")
    found = {path.parent.name: runs.manifest_at(path) for path in paths}
    return {arm: facts["seconds"] for arm, facts in found.items() if "seconds" in facts}


def _cell(path: Path) -> StudyCell:
    facts = _mapping(path, ("arm", "seed"))
    table = path.with_suffix(".csv")
    predictions = _predictions(table) if table.is_file() else None
    return StudyCell(facts["arm"], facts["seed"], facts.get("labels"), facts, predictions)


def _mapping(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object with these keys, or a SteepError that names what is missing."""
    content = runs.read_json(path)
    if not isinstance(content, dict):
        raise SteepError(f"{path}: expected a JSON object.")
    return _with(content, needed, path)


def _with(content: dict[str, Any], needed: tuple[str, ...], path: Path) -> dict[str, Any]:
    for key in needed:
        if key not in content:
            raise SteepError(f"{path}: the key '{key}' is missing. Run the stage again.")
    return content


def _history(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame()
    table = _csv(path)
    return table.apply(pd.to_numeric, errors="coerce")


def _predictions(path: Path) -> pd.DataFrame:
    table = _csv(path)
    for column in ("row", "truth", "predicted"):
        if column not in table:
            raise SteepError(f"{path}: the column '{column}' is missing. Run the stage again.")
    chances = [name for name in table if name.startswith("p_")]
    try:
        return table.astype(dict.fromkeys(chances, float))
    except ValueError as error:
        raise SteepError(f"{path}: a probability is not a number: {error}.") from None


def _csv(path: Path) -> pd.DataFrame:
    """Every cell as text, so that a label 'NA' or '007' stays what it is."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:  # pandas' parser errors, and bytes that are no UTF-8
        raise SteepError(f"{path}: not a readable CSV file: {error}.") from None
