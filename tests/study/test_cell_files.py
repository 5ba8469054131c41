"""Are cells read as they were written, and is a cell finished only when all of it is there?"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steep import runs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.cells import keep_cell, kept_cell
from steep.study.design import Cell

ROWS = np.array([1, 4, 5, 9])
FACTS = {"seconds": 1.5, "diverged": False, "test": {}}
TWO = Task("single", ("a", "b"))


def cell_lines(task: Task, outputs: np.ndarray) -> list[dict]:
    if task.kind == "regression":
        said = ["|".join(str(float(x)) for x in np.atleast_1d(row)) for row in outputs]
        return [{"row": n, "truth": s, "predicted": s} for n, s in zip(ROWS, said, strict=True)]
    names, label = [f"p_{label}" for label in task.labels], task.labels[0]
    return [
        {"row": n, "truth": label, "predicted": label}
        | dict(zip(names, map(float, row), strict=True))
        for n, row in zip(ROWS, outputs, strict=True)
    ]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    """A cell of two classes."""
    (tmp_path / runs.CELLS).mkdir()
    cell = Cell("base", 0)
    keep_cell(cell, tmp_path, FACTS, cell_lines(TWO, np.full((4, 2), 0.5)))
    return cell


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("single", ("a", "b, c", 'd"e')),
        ("multi", ("a", "b|c", "why?")),
        ("regression", ("y",)),
        ("regression", ("y", "z")),
    ],
)
def test_a_cell_is_read_as_it_was_written(
    tmp_path: Path, kind: str, labels: tuple[str, ...]
) -> None:
    task = Task(kind, labels)
    outputs = np.random.default_rng(0).random((4, len(labels)))
    outputs = outputs[:, 0] if labels == ("y",) else outputs
    cell = Cell("adapted", 3)
    (tmp_path / runs.CELLS).mkdir()
    keep_cell(cell, tmp_path, FACTS | {"diverged": True}, cell_lines(task, outputs))
    found = kept_cell(cell, tmp_path, task, ROWS)
    assert (found.arm, found.seed, found.seconds, found.diverged) == ("adapted", 3, 1.5, True)
    np.testing.assert_array_equal(found.probabilities, outputs)


def test_a_cell_is_finished_only_with_its_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell("base", 0)
    (tmp_path / runs.CELLS).mkdir()

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(runs, "write_csv", full)
    with pytest.raises(OSError, match="no space"):
        keep_cell(cell, tmp_path, FACTS, [{"p_a": 1.0}])
    assert not cell.path(tmp_path).exists()
    with pytest.raises(SteepError, match="no such file"):
        kept_cell(cell, tmp_path, TWO, ROWS)


def test_a_cell_without_its_predictions_is_left_to_run(tmp_path: Path, cell: Cell) -> None:
    assert cell.is_kept(tmp_path)
    cell.path(tmp_path).with_suffix(".csv").unlink()
    assert not cell.is_kept(tmp_path)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"arm": "adapted"}, "the key 'arm' must be 'base', not 'adapted'"),
        ({"seed": 1}, "the key 'seed' must be 0, not 1"),
        ({"labels": 40}, "the key 'labels' must be null, not 40"),
        ({"seconds": None}, "the key 'seconds' must be a number, 0 or more, not null"),
        ({"diverged": "no"}, "the key 'diverged' must be true or false, not 'no'"),
        ({"test": {"auc": float("nan")}}, "the key 'test.auc' must be a number, not NaN"),
    ],
)
def test_a_cell_edited_by_hand_is_named(
    tmp_path: Path, cell: Cell, edit: dict[str, Any], told: str
) -> None:
    path = cell.path(tmp_path)
    runs.write_json(path, runs.read_json(path) | edit)
    with pytest.raises(SteepError, match=told) as refused:
        kept_cell(cell, tmp_path, TWO, ROWS)
    assert str(refused.value).startswith(f"{path}: ") and "makes the rest anew" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("p_a", "half", "row 2: 'p_a' must be a number from 0 to 1, not 'half'"),
        ("p_a", "1.5", "row 2: 'p_a' must be a number from 0 to 1, not '1.5'"),
        ("p_a", "nan", "not all predictions are numbers"),
        ("row", "7", "its rows are not the 4 test rows"),
        ("truth", "c", "row 2: 'truth' must be one of a, b, not 'c'"),
        ("predicted", "", "row 2: 'predicted' must be one of a, b, not ''"),
    ],
)
def test_predictions_edited_by_hand_are_named(
    tmp_path: Path, cell: Cell, column: str, value: str, told: str
) -> None:
    path = cell.path(tmp_path).with_suffix(".csv")
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    lines[1][column] = value
    runs.write_csv(path, lines)
    with pytest.raises(SteepError, match=told) as refused:
        kept_cell(cell, tmp_path, TWO, ROWS)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a readable CSV file"),
        (b"\xff\xfe", "not a readable CSV file"),
        (b"row,truth,predicted,p_a\n1,a,a,1\n4,a,a,1\n5,a,a,1\n9,a,a,1\n", "'p_b' is missing"),
        (
            b"row,truth,predicted,p_a,p_b\n1,a,a,1\n",
            "row 1: 'p_b' must be a number from 0 to 1, not ''",
        ),
        (b"row,truth,predicted,p_a,p_b\n1,a,a,1,0,0\n", "not a readable CSV file"),
        (b"row,truth,predicted,p_a,p_a\n1,a,a,1,0\n", "the column 'p_a' is there twice"),
        (b"row;truth;predicted\n1;a;a\n", "the column 'row' is missing"),
        (b"row,truth,predicted,p_a,p_b\n1,a,a,1,0\n", "its rows are not the 4 test rows"),
    ],
)
def test_predictions_that_are_no_table_are_named(
    tmp_path: Path, cell: Cell, content: bytes, told: str
) -> None:
    path = cell.path(tmp_path).with_suffix(".csv")
    path.write_bytes(content)
    with pytest.raises(SteepError, match=told) as refused:
        kept_cell(cell, tmp_path, TWO, ROWS)
    assert str(refused.value).startswith(str(path))
