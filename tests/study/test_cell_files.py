"""Are cells read as they were written, and is a cell finished only when all of it is there?"""

from pathlib import Path

import numpy as np
import pytest

from steep import runs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.cells import keep_cell, kept_cell
from steep.study.design import Cell


def cell_lines(task: Task, outputs: np.ndarray) -> list[dict]:
    if task.kind == "regression":
        return [{"id": n, "predicted": float(value)} for n, value in enumerate(outputs)]
    names = [f"p_{label}" for label in task.labels]
    return [
        {"id": n} | dict(zip(names, map(float, row), strict=True)) for n, row in enumerate(outputs)
    ]


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_a_cell_is_read_as_it_was_written(tmp_path: Path, kind: str) -> None:
    task = Task(kind, ("y",) if kind == "regression" else ("a", "b, c", 'd"e'))
    outputs = np.random.default_rng(0).random((4, 3))
    outputs = outputs[:, 0] if kind == "regression" else outputs
    cell = Cell("adapted", 3)
    facts = {"seconds": 1.5, "diverged": True, "test": {}}
    (tmp_path / runs.CELLS).mkdir()
    keep_cell(cell, tmp_path, facts, cell_lines(task, outputs))
    found = kept_cell(cell, tmp_path, task)
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
        keep_cell(cell, tmp_path, {"seconds": 1.0, "diverged": False}, [{"p_a": 1.0}])
    assert not cell.path(tmp_path).exists()
    with pytest.raises(SteepError, match="no such file"):
        kept_cell(cell, tmp_path, Task("single", ("a",)))
