"""What did a run or a study leave behind? Reads its folder; missing extras are simply absent."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from steep import runs
from steep.args.kept import kept_options
from steep.errors import SteepError
from steep.metrics.predictions import ANEW, WITHOUT, read_history, read_predictions
from steep.metrics.scores import METRICS, ORDERED
from steep.reports.blocks import Page
from steep.run_shapes import CELL, LOOK, RESULTS, STUDY, VERDICT
from steep.run_tables import summaries
from steep.shapes import Shape
from steep.wording import brief, quoted

ADAPTED, COMPARE = "adapted", "compare"


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


Check = Callable[[Mapping[str, Any], Path], None]


@dataclass(frozen=True)
class StagePage:
    """How a stage is reported.

    `options` is the composition of its options, for the command that does it again; `page` makes
    the page of a folder (RunFolder, or StudyFolder for compare), with texts of the data or without;
    `results` is the shape of its results.json (`steep.shapes`); `check` raises SteepError for what
    a shape cannot say of it.
    """

    options: type[Any]
    page: Callable[[Any, bool], Page]
    results: Shape = field(default_factory=dict)
    check: Check | None = None


Stages = Mapping[str, StagePage]


def stage_page(manifest: Mapping[str, Any], stages: Stages) -> StagePage:
    """How the run of this manifest is reported: as its stage, with the options of its command."""
    stage = stages[manifest["stage"]]
    command = stages.get(manifest.get("command", ""), stage)
    return replace(stage, options=command.options)


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
    manifest = runs.manifest_at(path)
    known = [name for name in stages if not name.endswith(COMPARE)]  # these have no such manifest
    if manifest["stage"] not in known:
        raise SteepError(
            f"{folder}: written by 'steep {brief(manifest['stage'])}', which has no report; "
            f"those of {', '.join(known)} have one."
        )
    stage = stage_page(manifest, stages)
    kept_options(stage.options, manifest["args"], str(path))
    results = runs.read_shaped(folder / runs.RESULTS, {**RESULTS, **stage.results})
    if stage.check is not None:
        stage.check(results, folder / runs.RESULTS)
    parts = {part: folder / runs.PREDICTIONS / f"{part}.csv" for part in ("valid", "test")}
    look, task = folder / runs.LOOK, results["task"] if "task" in stage.results else None
    return RunFolder(
        name=folder.resolve().name,
        manifest=manifest,
        results=results,
        history=read_history(folder / runs.HISTORY, WITHOUT),
        predictions={
            part: read_predictions(path, task, WITHOUT)
            for part, path in parts.items()
            if path.is_file()
        },
        look=runs.read_shaped(look, LOOK, WITHOUT) if look.is_file() else None,
    )


def check_classified(results: Mapping[str, Any], path: Path) -> None:
    """Raises SteepError where the scores of a classifier are not of its task."""
    task, parts = results["task"], summaries(results)
    if not parts:
        raise SteepError(f"{path}: neither 'valid' nor 'test' has scores. {runs.WRITE_AGAIN}")
    for part, found in parts.items():
        counts = found.get("confusion") or []
        if any(len(line) != len(task["labels"]) for line in (counts, *counts) if counts):
            raise SteepError(
                f"{path}: the key '{part}.confusion' must have a line and a column for each of the "
                f"{len(task['labels'])} labels. {runs.WRITE_AGAIN}"
            )
    if all(results["metric"] not in found["metrics"] for found in parts.values()):
        _check_undefined(results["metric"], task, path)


def _check_undefined(metric: str, task: Mapping[str, Any], path: Path) -> None:
    """Raises SteepError if the metric is none that can be undefined for such a task."""
    known = METRICS[task["kind"]] + (ORDERED if task.get("ordered") else ())
    if metric not in known:
        raise SteepError(
            f"{path}: the key 'metric' must be one of {', '.join(known)}, not {quoted(metric)}. "
            f"{runs.WRITE_AGAIN}"
        )


def _study(folder: Path, stages: Stages) -> StudyFolder:
    path, verdict, adapted = folder / runs.STUDY, folder / runs.VERDICT, folder / ADAPTED
    stage = runs.manifest_at(path)["stage"]
    if stage not in stages or not stage.endswith(COMPARE):
        raise SteepError(f"{folder}: written by 'steep {brief(stage)}', which has no report.")
    manifest = runs.manifest_at(path, STUDY)
    kept_options(stage_page(manifest, stages).options, manifest["args"], str(path))
    made = {p.parent.name: runs.manifest_at(p) for p in folder.glob(f"*/{runs.MANIFEST}")}
    if ADAPTED in made:
        runs.read_manifest(adapted, "adapt")
    return StudyFolder(
        name=folder.resolve().name,
        manifest=manifest,
        verdict=_verdict(verdict) if verdict.is_file() else None,
        cells=_cells(folder, manifest["task"]),
        adapted=read_run(adapted, stages) if ADAPTED in made else None,
        step2={arm: facts["seconds"] for arm, facts in made.items() if "seconds" in facts},
    )


def _verdict(path: Path) -> dict[str, Any]:
    verdict = runs.read_shaped(path, VERDICT, ANEW)
    for arm, found in verdict["arms"].items():
        if len(found["seeds"]) != len(found["values"]):
            raise SteepError(
                f"{path}: the key {quoted(f'arms.{arm}')} must have as many seeds as values. {ANEW}"
            )
    return verdict


def _cells(folder: Path, task: dict[str, Any]) -> list[StudyCell]:
    """The finished cells; SteepError where their predictions are for different rows."""
    paths = sorted((folder / runs.CELLS).glob("*.json"))
    cells, first = [], None
    for path in paths:
        facts, file = runs.read_shaped(path, CELL, ANEW), path.with_suffix(".csv")
        table = read_predictions(file, task, ANEW) if file.is_file() else None
        if table is not None:
            first = first or (file.name, list(table["row"]))
            if list(table["row"]) != first[1]:
                raise SteepError(f"{file}: its rows are not those of {first[0]}. {ANEW}")
        cells.append(StudyCell(facts["arm"], facts["seed"], facts.get("labels"), facts, table))
    return cells
