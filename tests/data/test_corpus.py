"""Are the columns of a corpus what its docstring says?"""

import numpy as np
import pytest

from steep.args.table import TableArgs
from steep.data.corpus import join_corpora
from steep.data.load import read_table
from steep.options import make


def test_taken_positions_keep_their_rows_and_labels(write):
    path = write("t.csv", "text,l\na,x\n,x\nb,y\nc,x\nd,y\n")
    corpus = read_table(path, make(TableArgs, label="l")).take(np.array([3, 0, 1]))
    assert corpus.rows().tolist() == [4, 0, 2]
    assert corpus.labels().tolist() == [1, 0, 1]
    assert list(corpus.texts(size=2)) == [["d", "a"], ["b"]]


def test_joined_corpora_are_numbered_anew(write):
    path = write("t.csv", "text,pair,l\na,b,x\nc,d,y\n")
    corpus = read_table(path, make(TableArgs, pair="pair", label="l"))
    both = join_corpora([corpus.take(np.array([1])), corpus.take(np.array([], int)), corpus])
    assert [text for group in both.texts() for text in group] == ["c", "d", "a", "c", "b", "d"]
    assert both.rows().tolist() == list(range(6))
    assert both.table.column_names == ["row", "id", "text"]
    assert both.task is None


@pytest.mark.parametrize(
    ("label", "task", "shape", "kind"),
    [("l", "auto", (0,), "i"), ("x,y", "auto", (0, 2), "f"), ("n", "regression", (0,), "f")],
)
def test_no_rows_have_labels_of_the_same_type_as_some(write, label, task, shape, kind):
    path = write("t.csv", "text,l,x,y,n\na,u,0,1,0.5\nb,v,1,0,1.25\n")
    corpus = read_table(path, make(TableArgs, label=label, task=task))
    labels = corpus.take(np.array([], int)).labels()
    assert (labels.shape, labels.dtype.kind) == (shape, kind)
    assert labels.dtype == corpus.labels().dtype
