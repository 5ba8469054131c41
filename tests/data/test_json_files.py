"""Is every usual form of JSON read as its rows, and what is none refused with its place?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steep.args.table import TableArgs
from steep.data.json_files import open_json
from steep.data.load import read_table
from steep.data.raw import Raw
from steep.errors import SteepError

Write = Callable[[str, str], Path]

ROWS = [{"text": f"text {i}", "n": i, "tags": ["x", "y"][: i % 3]} for i in range(4)]
FRAME = pd.DataFrame(ROWS)
EXPECTED = [row | {"n": str(row["n"])} for row in ROWS]

FORMS = {
    "lines": ("t.jsonl", FRAME.to_json(orient="records", lines=True), ""),
    "lines with blanks": ("t.json", "\n\n".join(map(json.dumps, ROWS)), ""),
    "an array in one line": ("t.jsonl", json.dumps(ROWS), ""),
    "an array, pretty": ("t.json", json.dumps(ROWS, indent=2), ""),
    "an array below a key": (
        "t.json",
        json.dumps({"rows": ROWS, "n": 4}, indent=1),
        "array 'rows'",
    ),
    "objects over several lines": ("t.jsonl", "\n".join(json.dumps(r, indent=1) for r in ROWS), ""),
    "arrays of columns": ("t.json", json.dumps(FRAME.to_dict(orient="list")), "each column"),
    "to_json()": ("t.json", FRAME.to_json(), "as to_json() of pandas writes it"),
    "to_json() by names": ("t.json", FRAME.set_axis(list("wxyz")).to_json(), "as to_json"),
    "index": ("t.json", FRAME.to_json(orient="index"), "orient='index'"),
    "split": ("t.json", FRAME.to_json(orient="split"), "orient='split'"),
    "to_json() in a file of lines": ("t.jsonl", FRAME.to_json(), "as to_json() of pandas"),
    "split in a file of lines": ("t.jsonl", FRAME.to_json(orient="split"), "orient='split'"),
    "a row with a list in a file of lines": ("t.jsonl", json.dumps(ROWS[0]), ""),
    "table": ("t.json", FRAME.drop(columns="tags").to_json(orient="table"), "array 'data'"),
}


def records(raw: Raw) -> list[dict[str, Any]]:
    names = [name for name in ("text", "n", "tags") if name in raw.columns]
    return [row for batch in raw.batches(names) for row in batch.to_pylist()]


@pytest.mark.parametrize("form", FORMS)
def test_the_rows_of_every_form(write: Write, form: str) -> None:
    name, content, note = FORMS[form]
    raw = open_json(write(name, content))
    found = records(raw)
    names = found[0]
    assert found == [{key: row[key] for key in names} for row in EXPECTED[: len(found)]]
    assert len(found) == (1 if form.startswith("a row") else len(EXPECTED))
    assert note in " ".join(raw.notes) and bool(note) == bool(raw.notes)


def test_numbers_are_as_they_are_written(write: Write) -> None:
    huge = "9" * 5000
    path = write("t.jsonl", f'{{"text": 1.50, "n": {huge}}}\n{{"text": true, "n": null}}\n')
    assert records(open_json(path)) == [{"text": "1.50", "n": huge}, {"text": "true", "n": None}]


def test_a_key_that_only_a_late_row_has_is_a_column(write: Write) -> None:
    lines = '{"text": "a"}\n' * 1500 + '{"text": "b", "tags": ["x"]}\n'
    assert records(open_json(write("t.jsonl", lines)))[-1] == {"text": "b", "tags": ["x"]}


DEEP = "[" * 100_000

REFUSED = [
    ("t.jsonl", f'{{"text": "a"}}\n{{"text": {DEEP}\n', r"row 2 \(line 2\): .*too deeply"),
    ("t.json", f'{{"text":\n{DEEP}', "within each other too deeply"),
    ("t.json", "[1, 2]", "row 1: expected a JSON object, not a value"),
    ("t.json", '[["a", 1]]', "row 1: expected a JSON object, not an array"),
    ("t.json", '[{"text": "a"},\n{"text" "b"}]', r"not valid JSON: .*line 2"),
    ("t.json", '{"a": [{"text": "x"}],\n"b": [{"text": "y"}]}', "several arrays of rows: a, b"),
    (
        "t.json",
        '{"columns": ["text"], "data": [["a"], ["b", "c"]]}',
        "row 2: expected an array of 1",
    ),
    ("t.jsonl", '{"text": "a"}\n{"text": "b", "text": "c"}\n', "row 2 .*'text'.* key twice"),
    ("t.jsonl", '{"text": "a"}\n{"text": ["b"]}\n', "holds lists, where texts"),
    ("t.jsonl", '{"text": "a"}\n{"text": "b\\u0000"}\n', "row 2 .*'text': holds a NUL"),
    ("t.json", "[]", "holds no rows"),
    ("t.jsonl", "{}", "holds no rows"),
    ("t.jsonl", '{"text": "a"}\n"' + "b" * 400_000 + '"\n', "row 2 .*expected a JSON object"),
]


@pytest.mark.parametrize(("name", "content", "told"), REFUSED)
def test_what_is_no_table_is_refused(write: Write, name: str, content: str, told: str) -> None:
    path = write(name, content)
    with pytest.raises(SteepError, match=told) as raised:
        read_table(path, TableArgs())
    assert str(raised.value).startswith(str(path)) and len(str(raised.value)) < 500


def test_an_array_on_one_line_may_be_longer_than_a_document(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steep.data.files.LONGEST_TEXT", 60)
    for name, content in (("t.json", json.dumps(ROWS)), ("u.json", FRAME.to_json())):
        assert len(content) > 100
        assert records(open_json(write(name, content))) == EXPECTED


def test_nan_is_an_empty_cell(write: Write) -> None:
    """As Python's json writes a missing number."""
    lines = [
        {"text": text, "label": "ab"[i % 2]} for i, text in enumerate(["x", float("nan"), "y"])
    ]
    path = write("t.jsonl", "\n".join(map(json.dumps, lines)))
    corpus = read_table(path, TableArgs())
    assert list(corpus.table["text"]) == ["x", "y"]
    assert any("1 of 3 rows have no text" in note for note in corpus.notes)
