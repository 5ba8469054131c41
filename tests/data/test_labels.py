"""Is the kind of task understood, and is every bad label named with its row?"""

import numpy as np
import pytest

from steep.args.table import ColumnArgs, TableArgs
from steep.data.load import read_table, read_texts
from steep.errors import SteepError
from steep.options import make


def table(write, header, cells, name="t.csv"):
    rows = [f"text {i},{cell}" for i, cell in enumerate(cells)]
    return write(name, "\n".join([f"text,{header}", *rows]) + "\n")


def test_class_names_are_sorted_and_said(write):
    path = table(write, "mood", ["positive", " negative", "positive", "negative"])
    corpus = read_table(path, make(TableArgs, label="mood"))
    assert corpus.task.kind == "single"
    assert corpus.task.labels == ("negative", "positive")
    assert corpus.labels().dtype == np.int64
    assert corpus.labels().tolist() == [1, 0, 1, 0]
    assert "label 'mood': 2 classes (negative, positive)" in corpus.notes


def test_numbers_sort_by_value(write):
    path = table(write, "n", ["10", "9", "-1", "10", "9", "-1"])
    assert read_table(path, make(TableArgs, label="n")).task.labels == ("-1", "9", "10")


def test_half_steps_are_grades_and_many_fractions_are_a_quantity(write):
    grades = [str(i % 9 / 2) for i in range(90)]
    assert read_table(table(write, "n", grades), make(TableArgs, label="n")).task.kind == "single"
    path = table(write, "n", [str(i / 7) for i in range(90)], "q.csv")
    corpus = read_table(path, make(TableArgs, label="n"))
    assert (corpus.task.kind, corpus.task.labels) == ("regression", ("n",))
    assert corpus.labels() == pytest.approx([i / 7 for i in range(90)])
    assert corpus.labels().dtype == np.float64


def test_the_user_may_say_the_kind(write):
    path = table(write, "n", ["1", "2", "3", "4"])
    assert read_table(path, make(TableArgs, label="n", task="regression")).labels().tolist() == [
        1,
        2,
        3,
        4,
    ]
    assert len(read_table(path, make(TableArgs, label="n", task="single")).task.labels) == 4


def test_columns_of_zero_and_one(write):
    path = table(write, "b,a", ["0,1", "1.0,True", "0,0"])
    corpus = read_table(path, make(TableArgs, label="b,a"))
    assert (corpus.task.kind, corpus.task.labels) == ("multi", ("b", "a"))
    assert corpus.labels().dtype == np.float32
    assert corpus.labels().tolist() == [[0, 1], [1, 1], [0, 0]]
    note = "2 labels in 2 columns of 0 and 1, any number a row (b 1, a 2); 1 rows with none"
    assert note in corpus.notes


def test_a_column_with_a_delimiter(write):
    path = table(write, "tags", ["toxic|insult", "", "insult | threat"])
    corpus = read_table(path, make(TableArgs, label="tags", label_delimiter="|"))
    assert corpus.task.labels == ("insult", "threat", "toxic")
    assert corpus.labels().tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0]]


def test_classes_that_look_like_lists_of_classes_are_pointed_out(write):
    several = table(write, "tags", ["toxic", "insult", "toxic|insult", "insult|toxic"] * 3)
    (hint,) = read_table(several, make(TableArgs, label="tags")).notes[1:]
    assert "'toxic|insult' looks like several labels; if so, say --label-delimiter '|'" in hint
    plain = table(write, "tags", ["yes|sir", "no|sir", "maybe"] * 3, "p.csv")
    assert len(read_table(plain, make(TableArgs, label="tags")).notes) == 1


def test_a_column_name_may_hold_a_comma(write):
    path = write("t.csv", 'text,"yes, no"\na,y\nb,n\n')
    assert read_table(path, make(TableArgs, label="yes, no")).task.labels == ("n", "y")


def test_one_of_several_columns_may_hold_a_comma(write):
    path = write("t.csv", 'text,zeta,"alpha,beta"\na,0,1\nb,1,1\n')
    corpus = read_table(path, make(TableArgs, label="zeta,alpha,beta"))
    assert corpus.task.labels == ("zeta", "alpha,beta")
    with pytest.raises(SteepError, match="no column 'alpha'"):
        read_table(path, make(TableArgs, label="zeta,alpha"))


def test_a_message_shows_little_of_the_data(write):
    names = ",".join(f"column {i} {'x' * 500}" for i in range(900))
    with pytest.raises(SteepError, match="no column 'text'.* and 870 more") as raised:
        read_table(write("t.csv", f"{names}\n"), TableArgs())
    path = table(write, "l", [f"{'long' * 9000} {i % 3}" for i in range(12)], "u.csv")
    task = read_table(path, make(TableArgs, label="l")).task
    with pytest.raises(SteepError, match="does not occur") as other:
        read_table(table(write, "l", ["z" * 9000] * 3, "v.csv"), make(TableArgs, label="l"), task)
    assert len(str(raised.value)) < 2500 and len(str(other.value)) < 700


def test_validation_rows_take_the_task_of_the_training_rows(write):
    train = read_table(
        table(write, "l", ["a", "b", "c", "a", "b", "c"]), make(TableArgs, label="l")
    )
    valid = read_table(
        table(write, "l", ["c", "c"], "v.csv"), make(TableArgs, label="l"), train.task
    )
    assert valid.labels().tolist() == [2, 2]
    assert valid.task == train.task


def test_an_unseen_label_names_row_and_known_ones(write):
    task = read_table(table(write, "l", ["a", "b"] * 3), make(TableArgs, label="l")).task
    path = write("v.csv", "text,l\none,a\n,b\ntwo,z\n")
    with pytest.raises(SteepError, match=r"v.csv, row 3, column 'l': the label 'z'.*Known: a, b"):
        read_table(path, make(TableArgs, label="l"), task)


BAD = [
    ("l", ["a", "", "nan", "b"], {"label": "l"}, ["2 rows have no label", "rows 2, 3", "'l'"]),
    ("l", ["a", "a"], {"label": "l"}, ["every row has the label 'a'"]),
    ("l", ["a", "b"], {"label": "lable"}, ["no column 'lable'"]),
    ("label", ["a", "b"], {"label": "lable"}, ["Did you mean 'label'?"]),
    ("a,b", ["0,1", "1,2"], {"label": "a,b"}, ["row 2", "'b'", "expected 0 or 1, not '2'"]),
    ("a,b", ["0,1", "1,"], {"label": "a,b"}, ["1 rows have no label", "'b'", "rows 2"]),
    ("l", ["1", "x"], {"label": "l", "task": "regression"}, ["row 2", "a number, not 'x'"]),
    ("l", ["1", "inf"], {"label": "l", "task": "regression"}, ["row 2", "not 'inf'"]),
    ("l", ["1", "1"], {"label": "l", "task": "regression"}, ["every row has the target 1"]),
    ("l", list("abcdef"), {"label": "l"}, ["6 different labels in 6 rows", "--task single"]),
    ("l", list("123456"), {"label": "l"}, ["--task regression"]),
    ("l", [f"{i}%" for i in range(6)], {"label": "l"}, ["--task regression"]),
    ("l", ["[]", "['']"], {"label": "l", "task": "multi"}, ["two labels are needed; found: "]),
    ("a,b", ["0,1", "1,0"], {"label": "a,b", "task": "single"}, ["one label column", "a, b"]),
    ("l", ["0", "1"], {"label": "l", "task": "multi"}, ["Name several columns"]),
    ("l", ["x", "x"], {"label": "l", "label_delimiter": "|"}, ["two labels are needed"]),
]


@pytest.mark.parametrize(("header", "cells", "options", "words"), BAD)
def test_bad_labels_are_explained(write, header, cells, options, words):
    path = table(write, header, cells)
    with pytest.raises(SteepError) as raised:
        read_table(path, make(TableArgs, **options))
    for word in [str(path), *words]:
        assert word in str(raised.value)


def test_empty_ids_are_replaced_by_row_numbers_and_noted(write):
    corpus = read_table(write("t.csv", "id,text\nx,a\n,b\n y,c\n  ,d\n,\n"), TableArgs())
    assert list(corpus.table["id"]) == ["x", "1", " y", "3"]
    told = "t.csv: 3 of 5 rows have an empty cell in column 'id': the row number is their id"
    assert told in corpus.notes
    assert not any(
        "empty cell" in n for n in read_table(write("u.csv", "text\na\n"), TableArgs()).notes
    )


def test_ids_that_occur_twice_are_noted(write):
    path = write("t.csv", "id,text\nx,a\nx,b\ny,c\n")
    assert "t.csv: 1 rows share their id with an earlier row" in read_table(path, TableArgs()).notes
    named = read_table(path, make(TableArgs, id="text"))
    assert list(named.table["id"]) == ["a", "b", "c"]


def test_pairs(write):
    path = write("t.csv", "text,second\na,b\nc,\n")
    corpus = read_table(path, make(TableArgs, pair="second"))
    assert corpus.has_pairs
    assert list(corpus.table["pair"]) == ["b"]
    assert "t.csv: 1 of 2 rows have no text or pair: dropped" in corpus.notes


def test_a_pile_of_files(write):
    paths = [
        write("a.csv", "review,stars\nfirst,1\n,2\n"),
        write("b.txt", "second\nthird\n"),
        write("c.jsonl", '{"text": "fourth"}'),
    ]
    corpus = read_texts(paths, ColumnArgs(text="review"))
    assert [t for group in corpus.texts() for t in group] == ["first", "second", "third", "fourth"]
    assert corpus.rows().tolist() == [0, 1, 2, 3]
    assert corpus.task is None
    assert "c.jsonl: no column 'review', so 'text' is read" in corpus.notes


def test_a_pile_needs_a_column_that_can_only_be_the_text(write):
    path = write("a.csv", "title,body\na,b\n")
    with pytest.raises(SteepError, match="The columns are 'title', 'body'. Say with --text"):
        read_texts([path], ColumnArgs())
