"""Are confident predictions chosen class by class, and do they join the rows as labels?"""

import numpy as np

from steep.args.table import ColumnArgs, TableArgs
from steep.data.tables import read_table, read_texts
from steep.options import make
from steep.shelf.self_training.pseudo_labels import one_label, several_labels, with_pseudo_labels

LINES = ColumnArgs(unit="line")


def test_the_most_confident_of_each_class_in_the_order_of_the_file() -> None:
    given = np.array([[0.95, 0.05], [0.91, 0.09], [0.2, 0.8], [0.99, 0.01], [0.08, 0.92]])
    places, classes = one_label(given, 0.9, 2)
    assert places.tolist() == [0, 3, 4]  # row 1 is the third of its class, row 2 is below 0.9
    assert classes.tolist() == [0, 0, 1]
    assert one_label(given, 0.999, 2)[0].tolist() == []


def test_of_several_labels_all_must_be_confident() -> None:
    given = np.array(
        [[0.95, 0.02], [0.97, 0.01], [0.99, 0.5], [0.01, 0.02], [0.03, 0.04], [0.96, 0.98]]
    )
    places, labels = several_labels(given, 0.9, 6)
    assert places.tolist() == [0, 1, 3, 4, 5]  # of row 2, the second label is below 0.9
    assert labels.tolist() == [[1, 0], [1, 0], [0, 0], [0, 0], [1, 1]]
    # one of each: row 3 has none and comes first, 1 the first label, 5 the second beside it
    assert several_labels(given, 0.9, 1)[0].tolist() == [1, 3, 5]
    assert several_labels(given, 0.999, 6)[1].shape == (0, 2)


def test_rows_continue_and_columns_stay(write) -> None:
    path = write("t.csv", "id,text,l,w\na,one,x,2\nb,two,y,3\n")
    train = read_table(path, make(TableArgs, label="l", sample_weight="w"))
    pile = read_texts([write("p.txt", "three\nfour\n")], LINES)
    both = with_pseudo_labels(train, pile, np.array([1, 0]))
    assert both.table.features == train.table.features
    assert both.rows().tolist() == [0, 1, 2, 3]
    assert list(both.table["text"]) == ["one", "two", "three", "four"]
    assert both.labels().tolist() == [0, 1, 1, 0]
    assert both.weights().tolist() == [2, 3, 1, 1]


def test_several_labels_join_too(write) -> None:
    path = write("m.csv", "id,text,x,y\na,one,1,0\nb,two,0,0\n")
    train = read_table(path, make(TableArgs, label="x,y"))
    pile = read_texts([write("p.txt", "three\nfour\n")], LINES)
    both = with_pseudo_labels(train, pile, np.array([[0, 1], [1, 1]]))
    assert both.table.features == train.table.features
    assert both.labels().tolist() == [[1, 0], [0, 0], [0, 1], [1, 1]]


def test_pseudo_labels_beside_soft_ones_are_certain(write) -> None:
    path = write("s.csv", "id,text,x,y\na,one,0.8,0.2\nb,two,0.1,0.9\n")
    train = read_table(path, make(TableArgs, label="x,y", soft=True))
    pile = read_texts([write("p.txt", "three\nfour\n")], LINES)
    both = with_pseudo_labels(train, pile, np.array([1, 0]))
    assert both.table.features == train.table.features
    assert both.labels().tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(both.targets(), [[0.8, 0.2], [0.1, 0.9], [0, 1], [1, 0]])
