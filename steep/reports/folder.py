"""What did a run or a study leave behind? Reads its folder; missing extras are simply absent."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from steep import runs
from steep.errors import SteepError

NEEDED = {
    "adapt": ("masked_loss",),
    "fit": ("task", "metric", "valid"),
    "evaluate": ("task", "metric", "test"),
    "explain": ("task", "steps", "rows"),
}
ADAPTED = "adapted"


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


def read(folder: Path) -> RunFolder | StudyFolder:
    """What lies in a folder of adapt, fit, evaluate or compare; SteepError if it is none."""
    if not folder.is_dir():
        raise SteepError(f"{folder}: there is no such folder.")
    if (folder / runs.STUDY).is_file():
        return _study(folder)
    if (folder / runs.MANIFEST).is_file():
        return read_run(folder)
    raise SteepError(
        f"{folder}: neither a run (no {runs.MANIFEST}) nor a study (no {runs.STUDY}). "
        "Name a folder written by 'steep adapt', 'steep fit', 'steep evaluate' or 'steep compare'."
    )


def read_run(folder: Path) -> RunFolder:
    """What lies in the folder of one run; SteepError if a file is broken, or it has no report."""
    manifest = _mapping(folder / runs.MANIFEST, ("stage", "args"))
    if manifest["stage"] not in NEEDED:
        stages = ", ".join(NEEDED)
        raise SteepError(
            f"{folder}: written by 'steep {manifest['stage']}', which has no report; "
            f"expected a run of {stages}, or a study of compare."
        )
    results = _mapping(folder / runs.RESULTS, NEEDED[manifest["stage"]])
    parts = {part: folder / runs.PREDICTIONS / f"{part}.csv" for part in ("valid", "test")}
    return RunFolder(
        name=folder.resolve().name,
        manifest=manifest,
        results=results,
        history=_history(folder / runs.HISTORY),
        predictions={part: _predictions(path) for part, path in parts.items() if path.is_file()},
        look=_look(folder / runs.LOOK),
    )


def _look(path: Path) -> dict[str, Any] | None:
    needed = ("tokens", "least", "words", "better", "worse", "examples")
    return _mapping(path, needed) if path.is_file() else None


def _study(folder: Path) -> StudyFolder:
    has_verdict = (folder / runs.VERDICT).is_file()
    needed = ("answer", "sentence", "metric", "arms")
    adapted = folder / ADAPTED
    return StudyFolder(
        name=folder.resolve().name,
        manifest=_mapping(folder / runs.STUDY, ("args", "arms", "seeds", "metric", "task")),
        verdict=_mapping(folder / runs.VERDICT, needed) if has_verdict else None,
        cells=[_cell(path) for path in sorted((folder / runs.CELLS).glob("*.json"))],
        adapted=read_run(adapted) if (adapted / runs.MANIFEST).is_file() else None,
        step2=_step2(folder),
    )


def _step2(folder: Path) -> dict[str, float]:
    found = {path.parent.name: runs.read_json(path) for path in folder.glob(f"*/{runs.MANIFEST}")}
    return {arm: facts["seconds"] for arm, facts in found.items() if "seconds" in facts}


def _cell(path: Path) -> StudyCell:
    facts = _mapping(path, ("arm", "seed"))
    table = path.with_suffix(".csv")
    predictions = _predictions(table) if table.is_file() else None
    return StudyCell(facts["arm"], facts["seed"], facts.get("labels"), facts, predictions)


def _mapping(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object with these keys, or a SteepError that names the missing one."""
    content = runs.read_json(path)
    if not isinstance(content, dict):
        raise SteepError(f"{path}: expected a JSON object.")
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
