"""Does every row of a CSV or TSV file come out, whatever its quotes and blank lines are?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from steep.data import delimited, files
from steep.data.delimited import open_delimited
from steep.errors import SteepError

Write = Callable[[str, str], Path]
Cells = list[list[str]]

SAME = "a\t1\n" * 30
LITERAL = "double quotes do not enclose cells, so they are kept as text"
ESCAPED = '\\" within a cell is read as a double quote'

READ: dict[str, tuple[str, str, Cells, list[str]]] = {
    "a lone quote late in a TSV": (
        "t.tsv",
        f'text\tn\n{SAME}"Lone\t2\nb\t3\nends"\t4\n',
        [["a", "1"]] * 30 + [['"Lone', "2"], ["b", "3"], ['ends"', "4"]],
        [LITERAL],
    ),
    "a quoted word in a TSV": ("t.tsv", 'text\tn\n"So" it\t1\n', [['"So" it', "1"]], [LITERAL]),
    "quotes that enclose cells of a TSV": (
        "t.tsv",
        'text\tn\n"a\nb"\t1\n"c ""d"""\t2\n',
        [["a\nb", "1"], ['c "d"', "2"]],
        [],
    ),
    "a cell of two lines, each of which could be a row": (
        "t.csv",
        'text,n\n"Well, it was\ngood",1\nbad,2\n',
        [["Well, it was\ngood", "1"], ["bad", "2"]],
        [],
    ),
    "backslashes before quotes": (
        "t.csv",
        'text,n\n"a \\"b\\", c",1\nC:\\new,2\n"C:\\\\",3\n',
        [['a "b", c', "1"], ["C:\\new", "2"], ["C:\\", "3"]],
        [ESCAPED],
    ),
    "blank lines of one column": (
        "t.csv",
        "text\n\na, b\n\n  \nc\n",
        [[""], ["a, b"], [""], ["  "], ["c"]],
        [],
    ),
    "blank lines of two columns": (
        "t.csv",
        "\n\ntext,n\r\na,1\r\n\r\n  \r\nb,2\r\n\r\n",
        [["a", "1"], ["b", "2"]],
        ["2 blank lines are no rows"],
    ),
    "a line for Excel": ("t.csv", "sep=;\ntext;n\na,b;1\n", [["a,b", "1"]], []),
    "a quoted line for Excel": ("t.csv", '"sep=\t"\r\ntext\tn\r\na,b\t1\r\n', [["a,b", "1"]], []),
    "two byte order marks": ("t.csv", "\ufeff\ufefftext,n\na,1\n", [["a", "1"]], []),
    "a column called sep=;": ("t.csv", "sep=;", [], []),
}


@pytest.mark.parametrize("case", READ)
def test_every_row_is_read(write: Write, case: str) -> None:
    name, content, expected, notes = READ[case]
    assert rows_of(write(name, content)) == (expected, [f"{name}: {note}" for note in notes])


def rows_of(path: Path) -> tuple[Cells, list[str]]:
    """All rows of a file, and what is said of it."""
    raw = open_delimited(path)
    batches = raw.batches(list(raw.columns))
    return [list(row.values()) for batch in batches for row in batch.to_pylist()], list(raw.notes)


LATE = "".join(f"a {i},1\n" for i in range(60))
LATE_LAST = "".join(f"1,a {i}\n" for i in range(60))

REFUSED: dict[str, tuple[str, str]] = {
    "a lone quote late in a CSV": (
        f'text,n\n"a, b",1\n{LATE}"lone,1\nb,1\nends",2\n',
        "line 63: a double quote begins a cell of 3 lines",
    ),
    "a lone quote behind the label": (
        f'n,text\n1,b\n{LATE_LAST}1,"lone\n1,ends"\n',
        "line 63: a double quote begins a cell of 2 lines",
    ),
    "a quote without its end": ('text,n\na,1\n"open,2\nd,3\n', r"row 2 \(line 3\): unexpected end"),
    "a ragged row far down": (f"text,n\n{LATE}a,b,c\n", r"row 61 \(line 62\): 3 cells"),
    "a title above the header": ("My table\nid,text\n1,a\n2,b\n", "2 cells, but the header has 1"),
    "a NUL at the start": ("text,n\na\0,1\n", r"line 2: holds a NUL .* tr -d '\\000' < t.csv"),
    "a NUL far down": (f"text,n\n{LATE * 600}a\0,1\n", "line 36,002: holds a NUL character"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_fault_is_refused_wherever_it_stands(write: Write, case: str) -> None:
    content, told = REFUSED[case]
    path = write("t.csv", content)
    with pytest.raises(SteepError, match=told) as raised:
        rows_of(path)
    assert str(raised.value).startswith(str(path))


def test_what_looks_swallowed_is_said_where_it_may_be_meant(write: Write) -> None:
    verse = "".join(f"a line, and another {i}\n" for i in range(11))
    path = write("t.csv", f'text,n\n"a, b",1\n"{verse}end",2\n')
    rows, (note,) = rows_of(path)
    assert len(rows) == 2
    assert "1 rows hold line breaks, and each of their lines would be a row" in note
    assert "(line 3: 12 lines)" in note


def test_a_header_longer_than_the_sample(write: Write) -> None:
    names = [f"column {i} {'x' * 40}" for i in range(6000)]
    assert sum(map(len, names)) > files.SAMPLE
    path = write("t.csv", f"{','.join(names)}\n{','.join('1' * 6000)}\n")
    assert list(open_delimited(path).columns) == names


def test_an_endless_line_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_TEXT", 1000)
    path = write("t.csv", f"text,n\n{'a' * 999},1\n")
    with pytest.raises(SteepError, match="line 2: longer than 1,000 characters"):
        rows_of(path)


def test_the_meanings_of_quotes_are_all_said() -> None:
    assert {*delimited.MEANINGS} == {"doubled", "backslash", "literal"}
