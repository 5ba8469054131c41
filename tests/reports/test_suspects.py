"""Are wrong labels found among right ones, and only where that may be asked?"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from steep import runs, seeds
from steep.reports import suspects
from steep.reports.blocks import Examples
from steep.reports.page import write_report

SINGLE = {"kind": "single", "labels": ["a", "b"]}
MULTI = {"kind": "multi", "labels": ["a", "b"]}
WRONG = [3, 50]


def table(kind: str) -> pd.DataFrame:
    """80 rows that the model is sure and right about, but for two whose given label is turned."""
    sure = np.where(np.arange(80) % 2, 0.95, 0.05) + seeds.numbers(0, "noise").uniform(
        -0.04, 0.04, 80
    )
    said = np.where(sure > 0.5, "b", "a")
    given = said.copy()
    given[WRONG] = np.where(said[WRONG] == "a", "b", "a")
    rows = {"row": map(str, range(80)), "id": [f"r{i}" for i in range(80)]}
    rows |= {"text": [f"text {i}" for i in range(80)], "truth": given, "predicted": said}
    return pd.DataFrame(rows | {"p_a": 1 - sure, "p_b": sure})


@pytest.mark.parametrize("task", [SINGLE, MULTI])
def test_turned_labels_are_found_and_no_others(task: dict) -> None:
    pytest.importorskip("cleanlab", reason="needs the extra 'understand'")
    assert sorted(suspects.suspects(table(task["kind"]), task)) == WRONG
    section = suspects.suspects_section(table(task["kind"]), task, texts=True, trained_on=0)
    assert section is not None
    (shown,) = section.blocks
    assert isinstance(shown, Examples)
    assert {example.name for example in shown.examples} == {"r3", "r50"}
    assert shown.note == "2 suspects in 80 rows."
    third = next(example for example in shown.examples if example.name == "r3")
    assert third.text == "text 3"
    assert [(name, value[0]) for name, value in third.facts] == [("given", "a"), ("suggested", "b")]


def test_one_class_has_no_suspects() -> None:
    pytest.importorskip("cleanlab", reason="needs the extra 'understand'")
    assert suspects.suspects(table("single").iloc[::2].iloc[5:20], SINGLE) == []


@pytest.mark.parametrize("labels", [["a"], ["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("truth", [["", "", ""], ["a", "", "a"], ["a", "a", "a"], ["a|b"] * 3])
def test_labels_that_all_rows_have_or_lack(labels: list[str], truth: list[str]) -> None:
    pytest.importorskip("cleanlab", reason="needs the extra 'understand'")
    shares = {f"p_{label}": [0.2, 0.5, 0.9] for label in labels}
    rows = pd.DataFrame({"truth": truth} | shares)
    assert set(suspects.suspects(rows, {"kind": "multi", "labels": labels})) <= {0, 1, 2}


def test_rows_of_the_training_are_not_judged() -> None:
    section = suspects.suspects_section(table("single"), SINGLE, texts=True, trained_on=7)
    assert section is not None
    assert "trained on 7 of these rows" in section.blocks[0].items[0]


def test_without_cleanlab_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "find_spec", lambda name: None)
    section = suspects.suspects_section(table("single"), SINGLE, texts=True, trained_on=0)
    assert section is not None
    assert "pip install 'steep[understand]'" in section.blocks[0].items[0]


def test_a_regression_has_none() -> None:
    task = {"kind": "regression", "labels": ["x"]}
    assert suspects.suspects_section(table("single"), task, texts=True, trained_on=0) is None


def test_they_are_in_the_report_without_texts_if_asked(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    pytest.importorskip("cleanlab", reason="needs the extra 'understand'")
    folder = make.fit(tmp_path / "model", labels=("a", "b"))
    runs.write_csv(folder / runs.PREDICTIONS / "test.csv", table("single").to_dict("records"))
    shown, hidden = (write_report(folder, tmp_path / f"{t}.html", texts=t) for t in (True, False))
    for page in (shown, shown.with_suffix(".md")):
        assert "text 50" in page.read_text("utf-8") and "r50" in page.read_text("utf-8")
    for page in (hidden, hidden.with_suffix(".md")):
        assert "text 50" not in page.read_text("utf-8") and "r50" in page.read_text("utf-8")
