"""Do added rows continue the training rows, with the same columns?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from steep.args.table import ColumnArgs, TableArgs
from steep.data.enlarged import with_rows
from steep.data.load import read_table, read_texts
from steep.options import make

Write = Callable[[str, str], Path]
LINES = ColumnArgs(unit="line")


def test_rows_continue_and_columns_stay(write: Write) -> None:
    path = write("t.csv", "id,text,l,w\na,one,x,2\nb,two,y,3\n")
    train = read_table(path, make(TableArgs, label="l", sample_weight="w"))
    pile = read_texts([write("p.txt", "three\nfour\n")], LINES)
    both = with_rows(train, pile, np.array([1, 0]))
    assert both.table.features == train.table.features
    assert both.rows().tolist() == [0, 1, 2, 3]
    assert list(both.table["text"]) == ["one", "two", "three", "four"]
    assert both.labels().tolist() == [0, 1, 1, 0]
    assert both.weights().tolist() == [2, 3, 1, 1]


def test_several_labels_join_too(write: Write) -> None:
    path = write("m.csv", "id,text,x,y\na,one,1,0\nb,two,0,0\n")
    train = read_table(path, make(TableArgs, label="x,y"))
    pile = read_texts([write("p.txt", "three\nfour\n")], LINES)
    both = with_rows(train, pile, np.array([[0, 1], [1, 1]]))
    assert both.table.features == train.table.features
    assert both.labels().tolist() == [[1, 0], [0, 0], [0, 1], [1, 1]]


def test_pseudo_labels_beside_soft_ones_are_certain(write: Write) -> None:
    path = write("s.csv", "id,text,x,y\na,one,0.8,0.2\nb,two,0.1,0.9\n")
    train = read_table(path, make(TableArgs, label="x,y", soft=True))
    pile = read_texts([write("p.txt", "three\nfour\n")], LINES)
    both = with_rows(train, pile, np.array([1, 0]))
    assert both.table.features == train.table.features
    assert both.labels().tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(both.targets(), [[0.8, 0.2], [0.1, 0.9], [0, 1], [1, 0]])
