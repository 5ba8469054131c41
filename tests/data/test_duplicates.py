"""Are equal and nearly equal texts found, and nothing else?"""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steep.args import DataArgs
from steep.args.table import ColumnArgs, SplitArgs, SplitFileArgs, TableArgs
from steep.data.duplicates import (
    SIMILAR,
    corpus_hashes,
    find_conflicts,
    find_duplicates,
    row_hashes,
    text_hashes,
)
from steep.data.load import load, read_table
from steep.data.words import words_in
from steep.options import make
from tests.conftest import UNSPACED, unspaced_text, written

WORDS = [f"w{i}" for i in range(400)]


def sentence(draw, length):
    return " ".join(draw.choices(WORDS, k=length))


def data_of(write, tmp_path, train, valid, test):
    for name, texts in (("t", train), ("v", valid), ("w", test)):
        write(f"{name}.csv", "\n".join(["text,n", *(f"{text},1" for text in texts)]))
    files = SplitFileArgs(valid=tmp_path / "v.csv", test=tmp_path / "w.csv")
    return load(tmp_path / "t.csv", TableArgs(), SplitArgs(files=files))


def test_hashes_are_the_same_on_every_machine():
    found = text_hashes(["Ein  Text", "ein text\n", "other", ""])
    assert found.dtype == np.uint64
    assert found[0] == found[1] != found[2]
    assert found[0] == 0x1411B63A98F9796C
    assert len(text_hashes([])) == 0


def test_equal_texts_are_counted_within_and_across(write, tmp_path):
    train = ["one", "ONE ", "two", "three"]
    data = data_of(write, tmp_path, train, ["one", "four"], ["three", "four", "five"])
    found = find_duplicates(data)
    assert found.within == {"train": 1, "valid": 0, "test": 0}
    assert found.exact == {("valid", "train"): 1, ("test", "train"): 1, ("test", "valid"): 1}
    assert found.near == {("valid", "train"): 0, ("test", "train"): 0}
    assert "test: 1 rows have the same text as a row of train (rows 1 = 4)" in found.notes()


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_word_is_found_and_another_text_is_not(write, tmp_path, seed):
    draw = random.Random(seed)
    train = [sentence(draw, 80) for _ in range(60)]
    changed = [text.replace(text.split()[40], "changed", 1) for text in train[:20]]
    shared = [" ".join(text.split()[:40]) + " " + sentence(draw, 40) for text in train[:20]]
    data = data_of(write, tmp_path, train, shared, changed + [sentence(draw, 80)])
    found = find_duplicates(data)
    assert found.near == {("valid", "train"): 0, ("test", "train"): 20}
    assert all(pair.row == pair.other_row and pair.similarity >= 0.8 for pair in found.examples)


@pytest.mark.parametrize("language", UNSPACED)
def test_near_copies_are_found_where_no_blanks_part_words(write, tmp_path, language):
    draw = random.Random(0)
    train = [unspaced_text(language, 80, draw) for _ in range(30)]
    changed = []
    for text in train[:10]:
        words = words_in(text)
        words[40] = words_in(UNSPACED[language])[0]
        changed.append(written(words) + "!")
    others = [unspaced_text(language, 80, draw) for _ in range(10)]
    data = data_of(write, tmp_path, train, others, changed)
    assert find_duplicates(data).near == {("valid", "train"): 0, ("test", "train"): 10}


def test_short_texts_are_no_near_duplicates(write, tmp_path):
    train = [f"my card number {i} does not work" for i in range(50)]
    test = [f"my card number {i} does not work" for i in range(50, 90)]
    assert find_duplicates(data_of(write, tmp_path, train, ["none"], test)).notes() == ()


def test_a_pair_is_part_of_the_row_but_not_of_the_text(write):
    path = write("t.csv", "text,pair\na,b\na,c\na,b\n")
    corpus = read_table(path, TableArgs(columns=ColumnArgs(pair="pair")))
    assert len(np.unique(row_hashes(corpus))) == 2
    assert len(np.unique(corpus_hashes(corpus))) == 1


def test_real_reviews(shared_data):
    path = shared_data / "jigsaw2018" / "multilabel_first3000.csv.gz"
    data = load(path, TableArgs(columns=ColumnArgs(text="comment_text")), SplitArgs())
    found = find_duplicates(data)
    assert found.exact == {("valid", "train"): 0, ("test", "train"): 0, ("test", "valid"): 0}
    assert all(pair.similarity >= SIMILAR for pair in found.examples)


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
