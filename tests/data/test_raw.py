"""Are numbers read as they are meant, and is a column of them the task that it looks like?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from steep.args.table import TableArgs
from steep.data.load import read_table
from steep.data.raw import number_or_none, read_numbers
from steep.errors import SteepError
from steep.options import make

Write = Callable[[str, str], Path]

WRITTEN: list[tuple[list[str], list[float | None], str]] = [
    (["1", "2.5", "-1e3"], [1, 2.5, -1000], ""),
    (["0,5", "1", "-2,25"], [0.5, 1, -2.25], "decimal comma: '-2,25' as -2.25"),
    (["0,500", "1,250"], [0.5, 1.25], "decimal comma"),
    (["1.234,5", "2"], [1234.5, 2], "decimal comma: '1.234,5' as 1234.5"),
    (["1 234,5", "2\u202f000,0"], [1234.5, 2000], "decimal comma"),
    (["1,234.5", "2,000"], [1234.5, 2000], "commas between thousands"),
    (["1,234,567", "500"], [1234567, 500], "commas between thousands"),
    (["$5", "$7.5"], [5, 7.5], "without their sign"),
    (["5 €", "-1.234,50 €"], [5, -1234.5], "decimal comma"),
    (["50%", "7 %"], [50, 7], "without their sign"),
    (["50%", "7"], [None, 7], ""),
    (["1,5", "1.5"], [None, 1.5], ""),
    (["1,2,3", "4"], [None, 4], ""),
    (["1_0", "2"], [None, 2], ""),
    (["a", "1"], [None, 1], ""),
]


@pytest.mark.parametrize(("texts", "values", "note"), WRITTEN)
def test_numbers_of_a_column(texts: list[str], values: list[float | None], note: str) -> None:
    found = read_numbers(texts)
    assert found.values == values and not found.doubt
    assert note in found.note and bool(note) == bool(found.note)


def test_a_number_that_may_be_another_is_in_doubt() -> None:
    assert read_numbers(["1,234", "5", "12,500"]).doubt == "1,234"
    assert number_or_none("1,234") is None


MANY = range(240)
TASKS: dict[str, tuple[list[str], str, int, str]] = {
    "prices": (
        [str(i % 60 + 1) for i in MANY],
        "regression",
        1,
        "if they are classes, say --task s",
    ),
    "class numbers": (
        [str(i % 60) for i in MANY],
        "single",
        60,
        "if they are a quantity, say --task",
    ),
    "codes": ([str(i % 24 * 10 + 10) for i in MANY], "single", 24, "if they are a quantity"),
    "grades": ([str(i % 20 + 1) for i in MANY], "single", 20, ""),
    "commas": ([f"{i % 51 // 10},{i % 10}" for i in MANY], "regression", 1, "a decimal comma"),
    "dollars": ([f"${i % 60 + 1}" for i in MANY], "regression", 1, "without their sign"),
}


@pytest.mark.parametrize("case", TASKS)
def test_a_column_of_numbers_is_a_task(write: Write, case: str) -> None:
    cells, kind, labels, note = TASKS[case]
    path = write("t.tsv", "text\tl\n" + "".join(f"text {i}\t{c}\n" for i, c in enumerate(cells)))
    corpus = read_table(path, make(TableArgs, label="l"))
    assert (corpus.task.kind, len(corpus.task.labels)) == (kind, labels)
    assert note in " ".join(corpus.notes) and len(corpus.notes) == 1 + bool(note) + (
        case == "dollars"
    )


def test_doubtful_numbers_are_refused(write: Write) -> None:
    cells = "".join(f"text {i}\t{i + 1},{100 + i}\n" for i in range(30))
    path = write("t.tsv", f"text\tl\tw\n{cells}".replace("\n", "\t0,5\n").replace("w\t0,5", "w"))
    for options in ({"label": "l"}, {"label": "l", "task": "regression"}):
        with pytest.raises(SteepError, match=r"column 'l': '1,100' may be 1100 or 1\.100"):
            read_table(path, make(TableArgs, **options))


def test_weights_and_probabilities_may_have_decimal_commas(write: Write) -> None:
    path = write("t.csv", "text;l;w;p\na;x;0,5;0,25\nb;y;1,5;0,75\n")
    weighted = read_table(path, make(TableArgs, label="l", sample_weight="w"))
    assert weighted.weights().tolist() == [0.5, 1.5]
    assert any("column 'w': numbers are read with a decimal comma" in n for n in weighted.notes)
    soft = read_table(path, make(TableArgs, label="p", soft=True))
    assert soft.targets()[:, 1].tolist() == [0.25, 0.75]
