"""Are mistakes those that a reader would count by hand, and wrong labels found among right ones?"""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from steep import runs, seeds
from steep.reports import mistakes
from steep.reports.blocks import Examples
from steep.reports.page import write_report

TASK = {"kind": "single", "labels": ["no", "yes"]}


def table(said: str, chances: list[float] | None = None) -> pd.DataFrame:
    """Five rows with the truth y y y n n; `said` has a letter for each prediction."""
    words = {"y": "yes", "n": "no"}
    predicted = [words[letter] for letter in said]
    yes = chances or [0.9 if word == "yes" else 0.1 for word in predicted]
    return pd.DataFrame(
        {
            "row": list("01234"),
            "id": [f"r{i}" for i in range(5)],
            "text": [f"text {i}" for i in range(5)],
            "truth": [words[letter] for letter in "yyynn"],
            "predicted": predicted,
            "p_no": [1 - p for p in yes],
            "p_yes": yes,
        }
    )


def test_fixed_and_broken_are_decided_by_most_seeds() -> None:
    before = mistakes.votes_of([table("nynnn"), table("nynnn"), table("yynnn")], TASK)
    after = mistakes.votes_of([table("ynynn"), table("ynyny"), table("yynnn")], TASK)
    fixed, broken = mistakes.changed_by_step2(before, after, texts=True)
    assert [example.name for example in fixed.examples] == ["r0", "r2"]
    assert [example.name for example in broken.examples] == ["r1"]
    assert broken.title == "Broken by step 2: 1 row"
    assert fixed.examples[0].facts == [
        ("true label", "yes"),
        ("base", "no (2 of 3)"),
        ("adapted", "yes (3 of 3)"),
    ]


def test_a_tie_is_neither_right_nor_wrong() -> None:
    tied = mistakes.votes_of([table("yyynn"), table("nyynn")], TASK)
    assert not tied.mostly_right[0] and not tied.mostly_wrong[0]


def test_the_worst_mistake_has_the_highest_loss() -> None:
    arm = mistakes.votes_of([table("nynny", [0.4, 0.9, 0.01, 0.2, 0.7])], TASK)
    found = mistakes.worst_mistakes(arm, TASK, texts=True)
    assert found is not None
    assert [example.name for example in found.examples] == ["r2", "r4", "r0"]
    assert found.examples[0].text == "text 2"
    assert ("loss", f"{-math.log(0.01):.2f}") in found.examples[0].facts
    assert found.note == "3 of 3 mistakes in 5 rows."


def test_the_loss_of_several_labels_is_the_mean_over_labels() -> None:
    task = {"kind": "multi", "labels": ["a", "b"]}
    lines = {"row": ["0", "1"], "truth": ["a|b", ""], "predicted": ["a", ""]}
    frame = pd.DataFrame(lines | {"p_a": [0.8, 0.1], "p_b": [0.3, 0.2]})
    arm = mistakes.votes_of([frame], task)
    assert arm.loss == pytest.approx(
        [-(math.log(0.8) + math.log(0.3)) / 2, -(math.log(0.9) + math.log(0.8)) / 2]
    )
    found = mistakes.worst_mistakes(arm, task, texts=True)
    assert found is not None and [example.name for example in found.examples] == ["0"]


def test_the_loss_of_a_regression_is_the_absolute_error() -> None:
    task = {"kind": "regression", "labels": ["score"]}
    frames = [
        pd.DataFrame({"row": ["0", "1"], "truth": ["1.0", "2.0"], "predicted": said})
        for said in (["1.5", "2.0"], ["0.0", "2.0"])
    ]
    arm = mistakes.votes_of(frames, task)
    assert arm.loss == pytest.approx([0.75, 0.0])


def test_without_probabilities_there_is_no_worst() -> None:
    bare = table("nnnnn").drop(columns=["p_no", "p_yes"])
    assert mistakes.worst_mistakes(mistakes.votes_of([bare], TASK), TASK, texts=True) is None


SINGLE = {"kind": "single", "labels": ["a", "b"]}
MULTI = {"kind": "multi", "labels": ["a", "b"]}
WRONG = [3, 50]


def probable(kind: str) -> pd.DataFrame:
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
    assert sorted(mistakes.suspects(probable(task["kind"]), task)) == WRONG
    section = mistakes.suspects_section(probable(task["kind"]), task, texts=True, trained_on=0)
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
    assert mistakes.suspects(probable("single").iloc[::2].iloc[5:20], SINGLE) == []


@pytest.mark.parametrize("labels", [["a"], ["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("truth", [["", "", ""], ["a", "", "a"], ["a", "a", "a"], ["a|b"] * 3])
def test_labels_that_all_rows_have_or_lack(labels: list[str], truth: list[str]) -> None:
    pytest.importorskip("cleanlab", reason="needs the extra 'understand'")
    shares = {f"p_{label}": [0.2, 0.5, 0.9] for label in labels}
    rows = pd.DataFrame({"truth": truth} | shares)
    assert set(mistakes.suspects(rows, {"kind": "multi", "labels": labels})) <= {0, 1, 2}


def test_rows_of_the_training_are_not_judged() -> None:
    section = mistakes.suspects_section(probable("single"), SINGLE, texts=True, trained_on=7)
    assert section is not None
    assert "trained on 7 of these rows" in section.blocks[0].items[0]


def test_without_cleanlab_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "find_spec", lambda name: None)
    section = mistakes.suspects_section(probable("single"), SINGLE, texts=True, trained_on=0)
    assert section is not None
    assert "pip install 'steep[understand]'" in section.blocks[0].items[0]


def test_a_regression_has_none() -> None:
    task = {"kind": "regression", "labels": ["x"]}
    assert mistakes.suspects_section(probable("single"), task, texts=True, trained_on=0) is None


def test_they_are_in_the_report_without_texts_if_asked(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    pytest.importorskip("cleanlab", reason="needs the extra 'understand'")
    folder = make.fit(tmp_path / "model", labels=("a", "b"))
    runs.write_csv(folder / runs.PREDICTIONS / "test.csv", probable("single").to_dict("records"))
    shown, hidden = (write_report(folder, tmp_path / f"{t}.html", texts=t) for t in (True, False))
    for page in (shown, shown.with_suffix(".md")):
        assert "text 50" in page.read_text("utf-8") and "r50" in page.read_text("utf-8")
    for page in (hidden, hidden.with_suffix(".md")):
        assert "text 50" not in page.read_text("utf-8") and "r50" in page.read_text("utf-8")


def test_a_label_may_hold_what_joins_labels() -> None:
    task = {"kind": "multi", "labels": ["a|b", "c"]}
    true = mistakes.true_labels(pd.Series(["a\\|b", "a\\|b|c", "c", ""]), task)
    assert true.tolist() == [[True, False], [True, True], [False, True], [False, False]]
