"""Are probabilities read as what they are, and what is not one refused?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steep.args.table import TableArgs
from steep.data.load import read_table
from steep.errors import SteepError
from steep.options import make

Write = Callable[[str, str], Path]
TABLE = "text,neg,neu,pos,toxic\na,0.7,0.2,0.1,0.25\nb,0.1,0.3,0.6,1\nc,0.3,0.4,0.3,0.5\n"


def read(path: Path, label: str, task: str = "auto"):
    return read_table(path, make(TableArgs, label=label, soft=True, task=task))


def test_columns_that_sum_to_1_are_classes(write: Write) -> None:
    corpus = read(write("t.csv", TABLE), "neg,neu,pos")
    assert corpus.task.kind == "single" and corpus.task.labels == ("neg", "neu", "pos")
    assert corpus.labels().tolist() == [0, 2, 1]
    assert corpus.targets() == pytest.approx(
        np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.3, 0.4, 0.3]])
    )
    assert corpus.take(np.array([2])).targets().shape == (1, 3)
    assert any("most probable neg 1, neu 1, pos 1" in note for note in corpus.notes)


def test_one_column_is_a_class_against_its_absence(write: Write) -> None:
    corpus = read(write("t.csv", TABLE), "toxic")
    assert corpus.task.labels == ("not toxic", "toxic")
    assert corpus.targets()[:, 1].tolist() == [0.25, 1, 0.5]
    assert corpus.labels().tolist() == [0, 1, 0]  # the first of equals, as in predictions
    told = "soft labels: 1 of 3 rows have several most probable classes: the first of them counts"
    assert any(note.startswith(told) for note in corpus.notes)


def test_other_columns_are_labels_of_their_own(write: Write) -> None:
    corpus = read(write("t.csv", TABLE), "neg,toxic")
    assert corpus.task.kind == "multi"
    assert corpus.labels().tolist() == [[1, 0], [0, 1], [0, 1]]
    assert corpus.targets()[:, 0] == pytest.approx([0.7, 0.1, 0.3])
    assert read(write("u.csv", TABLE), "neg,neu,pos", "multi").task.kind == "multi"


@pytest.mark.parametrize(
    ("label", "task", "told"),
    [
        ("neg,toxic", "single", "row 1: the probabilities of neg, toxic sum to 0.95, not to 1"),
        ("text", "auto", "row 1, column 'text': expected a probability from 0 to 1, not 'a'"),
        ("toxic", "regression", "a quantity has no probabilities"),
    ],
)
def test_what_is_no_probability(write: Write, label: str, task: str, told: str) -> None:
    with pytest.raises(SteepError, match=told):
        read(write("t.csv", TABLE), label, task)
