"""Do rows and rare classes count as much as they should, and is every bad weight named?"""

import datasets
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from steep.args.table import TableArgs
from steep.args.training import LossArgs
from steep.data.batches import check_loss, weights_of_rows
from steep.data.corpus import Corpus, Task
from steep.data.load import read_table
from steep.errors import SteepError
from steep.options import make

SINGLE = "text,l,w\n" + "".join(f"t{i},{'aab'[i % 3]},{i % 4}\n" for i in range(12))
MULTI = "text,x,y,w\n" + "".join(f"t{i},{int(i < 3)},{i % 2},1\n" for i in range(12))


@pytest.fixture
def corpus(write, request):
    content, label = request.param
    return read_table(write("t.csv", content), make(TableArgs, label=label, sample_weight="w"))


single = pytest.mark.parametrize("corpus", [(SINGLE, "l")], indirect=True)
multi = pytest.mark.parametrize("corpus", [(MULTI, "x,y")], indirect=True)


@single
def test_a_column_counts_by_proportion(corpus):
    weights = weights_of_rows(corpus, corpus.task, LossArgs())
    assert weights == pytest.approx(np.array([0, 1, 2, 3] * 3) / 1.5)


def test_no_weights_are_none(write):
    plain = read_table(write("t.csv", SINGLE), make(TableArgs, label="l"))
    assert weights_of_rows(plain, plain.task, LossArgs()) is None
    assert (plain.weights() == 1).all()
    assert "weight" not in plain.table.column_names


def test_balanced_is_that_of_scikit_learn(write):
    plain = read_table(write("t.csv", SINGLE), make(TableArgs, label="l"))
    found = weights_of_rows(plain, plain.task, LossArgs(class_weights="balanced"))
    assert found == pytest.approx(compute_sample_weight("balanced", plain.labels()))


def test_effective_lies_between_none_and_balanced(write):
    """Cui 2019: beta 0 is no weighting, beta towards 1 is inverse frequency."""
    plain = read_table(write("t.csv", SINGLE), make(TableArgs, label="l"))
    ratios = []
    for rule in ("effective:0", "effective:0.9", "effective:0.99999999", "balanced"):
        found = weights_of_rows(plain, plain.task, LossArgs(class_weights=rule))
        ratios.append(found[2] / found[0])  # 8 rows of a, 4 of b
    assert ratios[0] == pytest.approx(1)
    assert ratios[1] == pytest.approx((1 - 0.9**8) / (1 - 0.9**4))
    assert ratios[2] == pytest.approx(ratios[3], abs=1e-4) == pytest.approx(2, abs=1e-4)


@single
def test_classes_and_rows_multiply(corpus):
    found = weights_of_rows(corpus, corpus.task, LossArgs(class_weights="b=3"))
    expected = corpus.weights() * np.where(corpus.labels() == 1, 3, 1)
    assert found == pytest.approx(expected / expected.mean())


@multi
def test_several_labels_are_weighted_one_by_one(corpus):
    found = weights_of_rows(corpus, corpus.task, LossArgs(class_weights="balanced"))
    for column, labels in zip(found.T, corpus.labels().T, strict=True):
        assert column == pytest.approx(compute_sample_weight("balanced", labels))
    named = weights_of_rows(corpus, corpus.task, LossArgs(class_weights="x=4"))
    assert named[:, 0][:3] / named[:, 0][3] == pytest.approx([4, 4, 4])
    assert named[:, 1] == pytest.approx(np.ones(12))


BAD = [
    ("-1", ["row 2, column 'w'", "0 or more, not '-1'"]),
    ("", ["row 2, column 'w'", "not ''"]),
    ("heavy", ["row 2, column 'w'", "not 'heavy'"]),
    ("nan", ["row 2, column 'w'", "not 'nan'"]),
    ("inf", ["row 2, column 'w'", "not 'inf'"]),
    ("0", ["column 'w': every weight is 0"]),
]


@pytest.mark.parametrize(("cell", "words"), BAD)
def test_bad_weights_are_explained(write, cell, words):
    path = write("t.csv", f"text,l,w\none,a,0\ntwo,b,{cell}\n")
    with pytest.raises(SteepError) as raised:
        read_table(path, make(TableArgs, label="l", sample_weight="w"))
    for word in [str(path), *words]:
        assert word in str(raised.value)


def test_a_missing_column_is_named(write):
    with pytest.raises(SteepError, match="no column 'weigth'.*Did you mean 'weight'"):
        path = write("t.csv", "text,l,weight\none,a,1\ntwo,b,1\n")
        read_table(path, make(TableArgs, label="l", sample_weight="weigth"))


@single
@pytest.mark.parametrize(
    "text", ["balance", "effective:1", "effective:x", "a=0", "a=x", "a=1,b", "a=1e308"]
)
def test_class_weights_that_are_none_are_refused(corpus, text):
    with pytest.raises(SteepError, match=r"class_weights .*expected none, balanced"):
        check_loss(corpus.task, LossArgs(class_weights=text))


@single
def test_class_weights_of_an_unknown_label_are_refused(corpus):
    with pytest.raises(SteepError, match="no label 'c'. The labels are a, b"):
        check_loss(corpus.task, LossArgs(class_weights="c=2"))


def test_a_regression_has_no_classes(write):
    path = write("t.csv", "text,l\none,1\ntwo,2\n")
    task = read_table(path, make(TableArgs, label="l", task="regression")).task
    check_loss(task, LossArgs())
    for wrong in ({"class_weights": "balanced"}, {"loss": "focal"}, {"label_smoothing": 0.1}):
        with pytest.raises(SteepError, match=f"{next(iter(wrong))}: a regression has no classes"):
            check_loss(task, LossArgs(**wrong))


def test_weights_of_labels_with_commas():
    task = Task("single", ("no", "yes, very", "yes, very = 1"))
    named = "yes, very=3, no=2,yes, very = 1=0.5"
    check_loss(task, LossArgs(class_weights=named))
    labels = datasets.Dataset.from_dict({"row": [0, 1, 2], "label": [0, 1, 2]})
    found = weights_of_rows(Corpus(labels, "t", task), task, LossArgs(class_weights=named))
    assert found / found[2] == pytest.approx([4, 6, 1])
    with pytest.raises(SteepError, match="expected none, balanced"):
        check_loss(task, LossArgs(class_weights="yes=3, very"))
