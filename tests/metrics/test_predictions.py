"""Do names of the data and names of the program stay apart in what is written?"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steep.args import PredictArgs
from steep.args.table import ColumnArgs, TableArgs
from steep.data.corpus import Task
from steep.metrics.predictions import free_columns, guarded, named, names_in
from steep.options import make
from steep.stages import predict as stage

CELLS = ["1", "=1+1", "+49 1", "-x", "@a", "\tb", "\rc", "-5", "+.5", "a=b", ""]
SAFE = ["1", "'=1+1", "'+49 1", "'-x", "'@a", "'\tb", "'\rc", "-5", "+.5", "a=b", ""]


def test_a_name_that_is_taken_gets_another_end() -> None:
    assert free_columns(["label"], ["id", "p_a"]) == ["id", "p_a"]
    assert free_columns(["label", "abstained"], ["label", "p_a"]) == ["label_", "p_a"]
    assert free_columns(["decision"], ["id", "id_", "id", "decision"]) == [
        "id",
        "id_",
        "id__",
        "decision_",
    ]


def test_labels_are_joined_and_taken_apart() -> None:
    task = Task("multi", ("a", "a|b", "c"))
    decided = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]])
    cells = named(task, decided)
    assert cells[0] == "a|a\\|b"
    assert [names_in(cell) for cell in cells] == [["a", "a|b"], [], ["a|b", "c"]]


def test_a_guard_against_formulas() -> None:
    assert list(guarded({str(i): cell for i, cell in enumerate(CELLS)}).values()) == SAFE
    assert guarded({"=a": 1.5, "'=a": -1, "b": None}) == {"'=a": 1.5, "'=a_": -1, "b": None}


PREDICTED: dict[str, tuple[Task, dict[str, Any], list[str]]] = {
    "single": (Task("single", ("a", "id")), {}, ["id", "label", "probability", "p_a", "p_id"]),
    "id called label": (
        Task("single", ("a", "b")),
        {"id": "label", "abstain_below": 0.5},
        ["label_", "label", "probability", "abstained", "p_a", "p_b"],
    ),
    "id called p_a": (
        Task("single", ("a", "b")),
        {"id": "p_a"},
        ["p_a", "label", "probability", "p_a_", "p_b"],
    ),
    "columns of the input": (
        Task("single", ("a", "text")),
        {"keep_columns": True},
        ["id", "label", "probability", "p_a", "p_text", "text"],
    ),
    "columns of the input called alike": (
        Task("multi", ("text", "a")),
        {"keep_columns": True},
        ["id", "text", "a", "text_"],
    ),
    "multi": (Task("multi", ("b", "a")), {}, ["id", "b", "a"]),
    "multi called alike": (Task("multi", ("id", "decision")), {}, ["id", "id_", "decision"]),
    "multi with decisions": (
        Task("multi", ("id", "decision", "abstained"), (0.5, 0.5, 0.5)),
        {"abstain_below": 0.5},
        ["id", "id_", "decision_", "abstained_", "decision", "abstained"],
    ),
    "regression": (Task("regression", ("id", "stars")), {}, ["id", "id_", "stars"]),
}


@pytest.mark.parametrize("case", PREDICTED)
def test_no_column_of_predictions_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    task, options, expected = PREDICTED[case]
    shares = np.tile([0.75, 0.25, 0.5][: len(task.labels)], (2, 1))
    model = SimpleNamespace(task=task, table=TableArgs(), predict=lambda *_: shares)
    monkeypatch.setattr(stage, "load_trained_model", lambda _: model)
    frame = pd.DataFrame({options.get("id", "id"): ["=x", "y"], "text": ["one", "two"]})
    out = tmp_path / "p.csv"
    for args, ids in ((options, ["=x", "y"]), (options | {"safe_csv": True}, ["'=x", "y"])):
        stage.predict("m", frame, out=out, args=make(PredictArgs, overwrite=True, **args))
        table = pd.read_csv(out, dtype=str)
        assert list(table.columns) == expected
        assert list(table[expected[0]]) == ids
    said = capsys.readouterr().err
    assert said.count("with what a spreadsheet computes as a formula") == 1, "not with --safe-csv"
    assert [f"is written as '{name}'" in said for name in expected] == [
        name.endswith("_") for name in expected
    ]


@pytest.mark.parametrize(
    ("options", "labels", "expected"),
    [
        ({}, ["1", "1.0", "01", "2"], [0, 0, 0, 1]),
        ({"task": "single"}, ["1", "2", "1", "2"], [0, 1, 0, 1]),
        ({"soft": True, "label": "1,2"}, None, [0, 1, 0, 1]),
    ],
)
def test_labels_are_read_as_in_training(
    options: dict[str, Any], labels: list[str] | None, expected: list[int]
) -> None:
    """Also where training read several spellings as one label."""
    table = make(TableArgs, **({"label": "label"} | options))
    model: Any = SimpleNamespace(task=Task("single", ("1", "2")), table=table)
    cells = {"label": labels} if labels else {"1": [0.9, 0.2] * 2, "2": [0.1, 0.8] * 2}
    frame = pd.DataFrame({"text": list("abcd")} | cells)
    assert stage.read_labelled(model, frame, ColumnArgs(), None).labels().tolist() == expected
