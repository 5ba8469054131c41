"""Are equal texts found, and nothing else, and those with different labels?"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steep.args import DataArgs
from steep.args.table import ColumnArgs, SplitArgs, SplitFileArgs, TableArgs
from steep.data.duplicates import (
    corpus_hashes,
    find_conflicts,
    repeat_notes,
    row_hashes,
    text_hashes,
)
from steep.data.load import load, read_table
from steep.options import make


def test_hashes_are_the_same_on_every_machine():
    found = text_hashes(["Ein  Text", "ein text\n", "other", ""])
    assert found.dtype == np.uint64
    assert found[0] == found[1] != found[2]
    assert found[0] == 0x1411B63A98F9796C
    assert len(text_hashes([])) == 0


def test_rows_that_repeat_are_counted_in_their_part(write, tmp_path):
    for name, texts in (("t", ["one", "ONE ", "two", "one"]), ("v", ["one", "four"])):
        write(f"{name}.csv", "\n".join(["text,n", *(f"{text},1" for text in texts)]))
    files = SplitFileArgs(valid=tmp_path / "v.csv", test=tmp_path / "v.csv")
    data = load(tmp_path / "t.csv", TableArgs(), SplitArgs(files=files))
    assert repeat_notes(data) == ("train: 2 rows repeat the text of an earlier row",)


def test_a_pair_is_part_of_the_row_but_not_of_the_text(write):
    path = write("t.csv", "text,pair\na,b\na,c\na,b\n")
    corpus = read_table(path, TableArgs(columns=ColumnArgs(pair="pair")))
    assert len(np.unique(row_hashes(corpus))) == 2
    assert len(np.unique(corpus_hashes(corpus))) == 1


def conflicts(folder: Path, table: dict[str, list], **how: str):
    """What is found in a table of these columns, and the notes of reading it."""
    path = folder / "t.csv"
    pd.DataFrame(table).to_csv(path, index=False)
    args = make(DataArgs, text="text", **how)
    data = load(path, args.table, args.split)
    return find_conflicts(data.parts.values()), data.notes


def test_equal_texts_with_different_labels_are_counted_and_shown(tmp_path: Path) -> None:
    texts = ["Fine film", "fine  FILM", "dull", "dull", "x" * 200, "x" * 200, "x" * 200]
    labels = ["good", "bad", "bad", "bad", "bad", "good", "bad"]
    more = [f"text {n}" for n in range(20)]
    found, notes = conflicts(
        tmp_path, {"text": texts + more, "label": labels + ["good", "bad"] * 10}, label="label"
    )
    assert (found.texts, found.rows) == (2, 5)
    shown = dict(found.examples)
    assert {len(text) for text in shown} == {9, 80} or {len(text) for text in shown} == {10, 80}
    assert all(names == ("bad", "good") for names in shown.values())
    told = "2 texts in 5 rows occur with different labels: at most one of them is right"
    assert any(note.startswith(told) for note in notes)


def test_sets_of_labels_are_compared_whole(tmp_path: Path) -> None:
    texts = ["a", "a", "b", "b"] + [f"t{n}" for n in range(20)]
    rows = {"text": texts, "x": [1, 1, 0, 1] + [0, 1] * 10, "y": [0, 0, 0, 1] + [1, 0] * 10}
    found, _ = conflicts(tmp_path, rows, label="x,y")
    assert found.examples == (("b", ("none", "x|y")),)


@pytest.mark.parametrize("labels", [["p", "q"] * 12, [n / 7 for n in range(24)]])
def test_where_there_are_none_nothing_is_said(tmp_path: Path, labels: list) -> None:
    numbers = isinstance(labels[0], float)
    texts = ["same"] * 2 + [f"t{n}" for n in range(22)] if numbers else [f"t{n}" for n in range(24)]
    found, notes = conflicts(tmp_path, {"text": texts, "label": labels}, label="label")
    assert found.texts == 0 and not found.notes()
    assert not any("different labels" in note for note in notes)
