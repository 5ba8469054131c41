"""Is a folder that was edited by hand reported, or refused in one sentence that names the file?"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steep import runs
from steep.errors import SteepError
from steep.reports import folder, run_page
from steep.reports.page import STAGES, _rendered, with_background, write_report
from steep.run_shapes import CELL, LOOK, MANIFEST, STUDY, VERDICT
from steep.runs import FORMAT
from steep.shapes import Each, Maybe, Number
from tests.reports.conftest import study
from tests.reports.test_run_page import LOOK as WORDS

GONE, FIRST = object(), object()
EDGES: dict[Any, tuple[Any, ...]]
EDGES = {str: ("", "a|*<b>"), bool: (True, False), dict: ({},), list: ([],)}
Place = tuple[Any, ...]
Edit = tuple[Place, Any]


def allowed(shape: Any, at: Place = ()) -> Iterator[Edit]:
    """What may stand where, as far as a shape says: a place, and a value at the edge of it."""
    match shape:
        case Maybe() | Each():
            yield at, None if isinstance(shape, Maybe) else {}
            yield from allowed(shape.shape, at if isinstance(shape, Maybe) else (*at, FIRST))
        case dict():
            for key in (name for name in shape if name.endswith("?")):
                yield (*at, key[:-1]), GONE
            for key, inner in shape.items():
                yield from allowed(inner, (*at, key.removesuffix("?")))
        case list() | tuple():
            yield from [(at, [])] if isinstance(shape, list) else []
            for place, inner in enumerate(shape):
                yield from allowed(inner, (*at, place))
        case Number():
            edges = (shape.least, shape.most, *(() if shape.finite else (math.nan, math.inf)))
            yield from ((at, edge) for edge in edges)
        case _:
            yield from ((at, value) for value in EDGES.get(shape, (["a"],)))


def edited(value: Any, at: Place, new: Any) -> Any:
    """A copy of JSON in which `new` stands at that place; as it was where there is no such."""
    if not at:
        return new
    key = next(iter(value), None) if at[0] is FIRST else at[0]
    known = range(len(value)) if isinstance(value, list) else value
    if key not in known:
        return value
    value = copy.copy(value)
    if new is GONE and len(at) == 1:
        del value[key]
    else:
        value[key] = edited(value[key], at[1:], new)
    return value


def apart(edits: Iterable[Edit]) -> list[list[Edit]]:
    """The edits in groups that can be made together: none within the place of another."""
    groups: list[list[Edit]] = []
    for place, value in edits:
        for group in groups:
            if not any(p[: len(place)] == place[: len(p)] for p, _ in group):
                group.append((place, value))
                break
        else:
            groups.append([(place, value)])
    return groups


def render(root: Path) -> None:
    """The page, but for writing it."""
    found = folder.read_folder(root, STAGES)
    stage = folder.stage_page(found.manifest, STAGES)
    page = with_background(stage.page(found, True), found, stage.options, [])
    for template in ("page.html.j2", "page.md.j2"):
        _rendered(page, template)


def small(root: Path) -> Path:
    """The folder with few rows in its tables, and few seeds, for speed."""
    for path in root.rglob("*.csv"):
        lines = path.read_text(encoding="utf-8").split("\r\n")
        path.write_text("\r\n".join([*lines[:6], ""]), encoding="utf-8", newline="")
    for path in [path for seed in "234" for path in root.glob(f"cells/*seed{seed}*")]:
        path.unlink()
    return root


def read_once(read: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its tables kept, by file and task."""
    kept: dict[str, Any] = {}

    def again(path: Path, *rest: Any) -> Any:
        key = f"{path} {rest}"
        if key not in kept:
            kept[key] = read(path, *rest)
        return kept[key]

    return again


def two_arms(root: Path) -> Path:
    """A study of two arms and budgets."""
    study(root, arms=("base", "adapted"), rows=12)
    verdict = runs.read_json(root / runs.VERDICT)
    part = {"answer": "yes", "hint": None, "arms": verdict["arms"]}
    part["comparisons"] = [verdict["comparisons"][0] | {"main": True}]
    worth = [{"at": 40, "labels": 12, "beyond": None}]
    budgets = [part | {"labels": 40}, part | {"labels": 80}]
    runs.write_json(root / runs.VERDICT, verdict | {"budgets": budgets, "worth_labels": worth})
    return root


def declared(root: Path, sort: str) -> dict[Path, Any]:
    """The files of a folder that have a shape; those of a study without those of its step 2."""
    shapes = {runs.STUDY: STUDY, runs.VERDICT: VERDICT, "adapted-seed0.json": CELL}
    if sort != "study":
        shapes = {runs.MANIFEST: MANIFEST, runs.LOOK: LOOK, runs.RESULTS: STAGES[sort].results}
    return {path: shapes[path.name] for path in root.rglob("*.json") if path.name in shapes}


@pytest.mark.parametrize("sort", ["adapt", "fit", "evaluate", "study"])
def test_whatever_the_shape_of_a_file_allows_is_reported(
    make: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    root = small({"study": two_arms}.get(sort, getattr(make, sort))(tmp_path / "run"))
    if sort == "adapt":
        runs.write_json(root / runs.LOOK, WORDS)
    known = {path: runs.read_json(path) for path in root.rglob("*.json")}
    current = dict(known)  # the files lie in memory meanwhile, and their tables are read once
    monkeypatch.setattr(runs, "read_json", lambda path, *_: current[path])
    monkeypatch.setattr(folder, "read_predictions", read_once(folder.read_predictions))
    monkeypatch.setattr(folder, "read_history", read_once(folder.read_history))
    monkeypatch.setattr(run_page, "suspects_section", lambda *_: None)  # slow, and reads no JSON
    reported: list[Edit] = []

    def report(path: Path, edits: list[Edit]) -> None:
        """All of them together; where that is refused, in halves."""
        current[path] = known[path]
        for edit in edits:
            current[path] = edited(current[path], *edit)
        try:
            render(root)
            reported.extend(edits)
        except SteepError as error:  # at what a shape cannot say
            assert str(root) in str(error), edits
            for half in (edits[: len(edits) // 2], edits[len(edits) // 2 :]):
                if len(edits) > 1:
                    report(path, half)
        current[path] = known[path]

    for path, shape in declared(root, sort).items():
        for group in apart(allowed(shape)):
            report(path, group)
    assert len(reported) > 60


REFUSED = [
    ("results.json", {"metric": "my_accuracy"}, "the key 'metric' must be one of accuracy, .* not"),
    ("results.json", {"valid": None, "test": None}, "neither 'valid' nor 'test' has scores"),
    ("results.json", {"task": {"kind": "single", "labels": ["a"]}}, "'valid.confusion' must have"),
    ("results.json", {"task": {"kind": "single", "labels": ["a", "a"]}}, "different texts"),
    ("steep.json", {"format": FORMAT + 1}, "written by a newer version of Steep .* Update Steep"),
    ("steep.json", {"stage": "compare"}, "written by 'steep compare', which has no report"),
    (
        "steep.json",
        {"args": {"epochs": "many"}},
        "option 'epochs' must be a whole number, not 'many",
    ),
    ("steep.json", {"args": {"epochs": 0}}, "option 'epochs' must be at least 1, not 0"),
    (
        "steep.json",
        {"seconds": "long"},
        "the key 'seconds' must be a number, 0 or more, not 'long'",
    ),
]


@pytest.mark.parametrize(("name", "edit", "told"), REFUSED)
def test_what_a_run_cannot_have_written_is_refused(
    make: SimpleNamespace, tmp_path: Path, name: str, edit: dict[str, Any], told: str
) -> None:
    path = make.fit(tmp_path / "model") / name
    runs.write_json(path, runs.read_json(path) | edit)
    with pytest.raises(SteepError, match=told) as refused:
        write_report(path.parent)
    assert str(tmp_path / "model") in str(refused.value)
    assert not (path.parent / "report.html").exists()


ALLOWED = [
    ("results.json", {"metric": "auc"}, "AUC on 120 test rows is undefined"),
    ("results.json", {"new": {"key": [1]}}, "Accuracy on 120 test rows; 95 % interval"),
    ("steep.json", {"command": "adapt"}, "steep adapt reviews.csv"),
    ("steep.json", {"args": {"of_another_version": 3}}, "steep fit reviews.csv --out model/"),
]


@pytest.mark.parametrize(("name", "edit", "told"), ALLOWED)
def test_what_another_version_may_write_is_reported(
    make: SimpleNamespace, tmp_path: Path, name: str, edit: dict[str, Any], told: str
) -> None:
    path = make.fit(tmp_path / "model") / name
    runs.write_json(path, runs.read_json(path) | edit)
    assert told in write_report(path.parent).with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("history.csv", "epoch,train_loss\n1,low\n", "row 1: 'train_loss' must be a number, or"),
        ("history.csv", "epoch,train_loss\n1,0.5\n2,1e200\n", "row 2: 'train_loss' must be a"),
        ("history.csv", "epoch,epoch\n1,2\n", "the column 'epoch' is there twice"),
        (
            "predictions/test.csv",
            "row,truth,predicted\n0,negative,fine\n",
            "'predicted' must be one",
        ),
        (
            "predictions/test.csv",
            "row,truth,predicted,p_negative\n0,negative,negative,2\n",
            "0 to 1",
        ),
        ("predictions/test.csv", "row,truth\n0,negative\n", "column 'predicted' is missing"),
    ],
)
def test_tables_edited_by_hand_are_named(
    make: SimpleNamespace, tmp_path: Path, name: str, content: str, told: str
) -> None:
    path = make.fit(tmp_path / "model") / name
    path.write_text(content)
    with pytest.raises(SteepError, match=told) as refused:
        write_report(path.parents[name.count("/")])
    assert str(refused.value).startswith(str(path)) and "remove the file" in str(refused.value)


def test_cells_with_other_rows_are_named(make: SimpleNamespace, tmp_path: Path) -> None:
    path = make.study(tmp_path / "study", rows=20) / "cells" / "base-seed3.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(
        SteepError, match=r"base-seed3\.csv: its rows are not those of adapted-seed0"
    ):
        write_report(tmp_path / "study")


def test_nothing_to_draw_is_no_drawing(tmp_path: Path) -> None:
    """All runs diverged; and numbers too near, or too far apart, for an axis with round ticks."""
    root = two_arms(tmp_path / "study")
    verdict = runs.read_json(root / runs.VERDICT)
    lost = {arm: found | {"mean": None} for arm, found in verdict["arms"].items()}
    budgets = [part | {"arms": lost} for part in verdict["budgets"]]
    runs.write_json(root / runs.VERDICT, verdict | {"budgets": budgets})
    assert "Label curve" in write_report(root).read_text(encoding="utf-8")
    for values in ([1e17] * 5, [1e99, -1e99, 0, 1, 2], [1e17, 1e17 + 16] * 2 + [1e17]):
        verdict["arms"]["base"]["values"] = values
        runs.write_json(root / runs.VERDICT, verdict)
        assert "Results by arm" in write_report(root).read_text(encoding="utf-8")
