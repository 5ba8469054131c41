"""Are the mistakes those that a reader would count by hand?"""

import math

import pandas as pd
import pytest

from steep.errors import SteepError
from steep.reports import confusion, mistakes

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


def test_different_rows_are_refused() -> None:
    with pytest.raises(SteepError, match="different rows"):
        mistakes.votes_of([table("yyynn"), table("yyynn").iloc[::-1]], TASK)


def test_confusion_is_summed_over_seeds() -> None:
    counts = confusion.confusion_counts([table("nynnn"), table("yyynn")], ["no", "yes"])
    assert counts.tolist() == [[4, 0], [2, 4]]


def test_the_most_confused_pairs_come_first() -> None:
    labels = [f"c{i}" for i in range(12)]
    frame = pd.DataFrame({"truth": ["c3"] * 5 + ["c1"], "predicted": ["c7"] * 4 + ["c3", "c2"]})
    found = confusion.confusion_block(
        {"base": confusion.confusion_counts([frame], labels)}, labels, "rows"
    )
    assert found.rows == [("c3", "c7", "4"), ("c1", "c2", "1")]
    assert found.note == "2 of 2 confused pairs; 12 classes in all."
