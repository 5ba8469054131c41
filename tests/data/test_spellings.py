"""Is one label one label however it is written, and said, and can it be kept apart?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from steep.args.table import TableArgs
from steep.data.corpus import Corpus, Task
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.options import make

Write = Callable[[str, str], Path]

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
