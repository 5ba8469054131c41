"""Are lists of labels, and spellings of one label, what they are meant to be?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steep.args.table import TableArgs
from steep.data.corpus import Corpus, Task
from steep.data.label_lists import parse_list
from steep.data.load import read_table
from steep.errors import SteepError
from steep.options import make

Write = Callable[[str, str], Path]

TEXTS: dict[str, list[str | None] | None] = {
    "[0, 1, 0]": ["0", "1", "0"],
    "[0. 1.\n 0.]": ["0.", "1.", "0."],
    "['a', 'b']": ["a", "b"],
    '["a, x", "b\'s"]': ["a, x", "b's"],
    "['it\\'s']": ["it's"],
    "['a' 'b c']": ["a", "b c"],
    "[np.str_('a'), np.int64(1)]": ["a", "1"],
    "('a',)": ["a"],
    "{'a', 'b'}": ["a", "b"],
    "frozenset({'a'})": ["a"],
    "set()": [],
    " [] ": [],
    "[very good, bad]": ["very good", "bad"],
    "[None, 'a']": [None, "a"],
    "0 1 0": ["0", "1", "0"],
    "1,0,1": ["1", "0", "1"],
    "0,1": None,
    "010": None,
    "(a, b)": None,
    "(0, 10]": None,
    "[[1], [2]]": None,
    "['a' b]": None,
    "['a',, 'b']": None,
    "[" * 10_000: None,
    "a": None,
}


def test_lists_that_are_texts() -> None:
    assert {text: parse_list(text) for text in TEXTS} == TEXTS


HOT = [[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]]
NAMES = [["b"], ["b", "c"], [], ["a"]]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_lists_of_0_and_1_are_one_for_each_label(write: Write, ending: str) -> None:
    corpus = read_table(written(write, HOT, ending), make(TableArgs, label="l"))
    assert corpus.task.labels == ("0", "1", "2") and corpus.labels().tolist() == HOT
    assert any("a 0 or 1 for each label" in note for note in corpus.notes)
    other = written(write, [[1, 0, 1], [0, 0, 0]], ending, "v")
    assert read_table(other, make(TableArgs, label="l"), corpus.task).labels().tolist() == [
        [1, 0, 1],
        [0, 0, 0],
    ]


@pytest.mark.parametrize("options", [{}, {"label_delimiter": ","}, {"task": "multi"}])
def test_lists_of_names_as_pandas_writes_them(write: Write, options: dict[str, Any]) -> None:
    corpus = read_table(written(write, NAMES, "csv"), make(TableArgs, label="l", **options))
    assert corpus.task.labels == ("a", "b", "c")
    assert corpus.labels().tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert any("texts such as '['b', 'c']' are read as lists" in n for n in corpus.notes)


def test_cells_in_brackets_may_be_classes(write: Write) -> None:
    said = read_table(written(write, NAMES, "csv"), make(TableArgs, label="l", task="single"))
    assert said.task.labels == ("['a']", "['b', 'c']", "['b']", "[]")
    plain = written(write, ["[UNK]", "[PAD]", "[UNK]", "[PAD]"], "csv")
    assert read_table(plain, make(TableArgs, label="l")).task.labels == ("[PAD]", "[UNK]")


def test_numbers_by_place(write: Write) -> None:
    shares = written(write, [[0.25, 0.75], [1, 0]], "csv")
    soft = read_table(shares, make(TableArgs, label="l", soft=True))
    assert soft.targets().tolist() == [[0.25, 0.75], [1, 0]] and soft.task.kind == "single"
    targets = read_table(shares, make(TableArgs, label="l", task="regression"))
    assert targets.labels().tolist() == [[0.25, 0.75], [1, 0]]
    with pytest.raises(SteepError, match="lists of fractions.*--soft.*--task regression"):
        read_table(shares, make(TableArgs, label="l"))


def test_numbers_of_labels_stay_names(write: Write) -> None:
    corpus = read_table(
        written(write, [[0, 2], [1], [2, 1], []], "jsonl"), make(TableArgs, label="l")
    )
    assert corpus.labels().tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 0]]


REFUSED: list[tuple[list[Any], str]] = [
    ([[0, 1, 0], [1, 0], [0, 0, 1]], r"row 2, column 'l': lists of a 0 or 1 .* 3 in the first row"),
    ([[0, 1, 0], None, [0, 0, 1]], r"1 rows have no label \(rows 2\)"),
    ([["a"], ["b"], "a and b", ["b", "c"]], "row 3, column 'l': expected a list, .*'a and b'"),
]


@pytest.mark.parametrize(("cells", "told"), REFUSED)
def test_lists_that_do_not_fit_are_refused(write: Write, cells: list[Any], told: str) -> None:
    with pytest.raises(SteepError, match=told):
        read_table(written(write, cells, "csv"), make(TableArgs, label="l"))


def test_words_for_none_in_lists_are_said(write: Write) -> None:
    path = written(write, [["a", "null"], ["b"], ["a", "b"]], "jsonl")
    corpus = read_table(path, make(TableArgs, label="l"))
    assert corpus.task.labels == ("a", "b")
    assert any("'null' (1 times) stands for no label" in note for note in corpus.notes)
    assert read_table(path, make(TableArgs, label="l", task="multi")).task.labels == (
        "a",
        "b",
        "null",
    )


def written(write: Write, cells: list[Any], ending: str, name: str = "t") -> Path:
    """A file of these cells, as pandas or as JSON lines."""
    rows = [{"text": f"text {i}", "l": cell} for i, cell in enumerate(cells)]
    if ending == "csv":
        return write(f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))
    return write(f"{name}.{ending}", "\n".join(map(json.dumps, rows)))


WORDS = ["Positive", "positive", " POSITIVE", "negative", "positive"]
COLUMNS: dict[str, tuple[list[str], str, list[int], str]] = {
    "numbers": (["1", "1.0", "01", "0", "0.0"], "auto", [1, 1, 1, 0, 0], "'1.0' and '01' as '1'"),
    "as written": (["1", "1.0", "01", "0", "0"], "single", [2, 3, 1, 0, 0], ""),
    "words": (WORDS, "auto", [1, 1, 1, 0, 1], "'Positive' and 'POSITIVE' as 'positive'"),
    "words as written": (WORDS, "single", [1, 3, 0, 2, 3], ""),
    "accents": (["é", "e\u0301", "x", "x", "é"], "auto", [1, 1, 0, 0, 1], "as 'é'"),
    "floats alone": (["1.0", "0.0", "1.0", "0.0", "1.0"], "auto", [1, 0, 1, 0, 1], ""),
    "long numbers": ([f"1{'0' * 20}{i % 2}" for i in range(5)], "auto", [0, 1, 0, 1, 0], ""),
}


def read(
    write: Write, cells: list[str], kind: str, name: str = "t.csv", task: Task | None = None
) -> Corpus:
    lines = [f'text {i},"{cell}"\n' for i, cell in enumerate(cells)]
    path = write(name, "text,l\n" + "".join(lines))
    return read_table(path, make(TableArgs, label="l", task=kind), task)


@pytest.mark.parametrize("case", COLUMNS)
def test_spellings_of_a_class(write: Write, case: str) -> None:
    cells, task, expected, note = COLUMNS[case]
    corpus = read(write, cells, task)
    assert corpus.labels().tolist() == expected
    told = [n for n in corpus.notes if "different spellings" in n]
    assert bool(told) == bool(note) and note in " ".join(told)
    assert all("say --task single" in n for n in told)


def test_other_files_may_spell_the_classes_of_training_otherwise(write: Write) -> None:
    task = read(write, ["1", "0", "1", "0"], "auto").task
    valid = read(write, ["1.0", "0.0"], "auto", "v.csv", task=task)
    assert valid.labels().tolist() == [1, 0]
    assert any("'1.0' as '1'" in note for note in valid.notes)
    with pytest.raises(SteepError, match="the label '1.0' does not occur"):
        read(write, ["1.0", "0"], "single", "w.csv", task=task)


def test_labels_in_lists_are_spelled_alike_too(write: Write) -> None:
    path = write("t.csv", "text,l\na,Rude|spam\nb,rude\nc,rude|1\nd,1.0\n")
    corpus = read_table(path, make(TableArgs, label="l", label_delimiter="|"))
    assert corpus.task.labels == ("1", "rude", "spam")
    apart = read_table(path, make(TableArgs, label="l", label_delimiter="|", task="multi"))
    assert apart.task.labels == ("1", "1.0", "Rude", "rude", "spam")


def test_a_class_called_null(write: Write) -> None:
    cells = ["null", "yes", "no", "null", "yes", "no"]
    with pytest.raises(
        SteepError, match=r"2 rows have no label \(rows 1, 4\). 'null' .*--task sin"
    ):
        read(write, cells, "auto")
    assert read(write, cells, "single").task.labels == ("no", "null", "yes")
    with pytest.raises(SteepError, match="1 rows have no label"):
        read(write, [*cells, ""], "single")
