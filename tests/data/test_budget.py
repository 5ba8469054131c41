"""Which labelled rows are used where not all are: a budget of them, shots, a probe's?"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest

from steep import outputs
from steep.args.pretraining import ProbeArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import FewArgs
from steep.data.budget import MOST, chosen, labelled_parts, notes, probe_on, within
from steep.data.corpus import Corpus, Data, Task
from steep.data.load import load
from steep.data.splits import Splits
from steep.errors import SteepError
from steep.models.checkpoints import load_tokenizer
from steep.options import make
from steep.seeds import numbers


def data(labels: list, task: Task) -> Data:
    columns = {"row": range(len(labels)), "id": list(map(str, range(len(labels))))}
    columns |= {"text": ["x"] * len(labels), "label": labels}
    corpus = Corpus(datasets.Dataset.from_dict(columns), "memory", task)
    nothing = np.empty(0, np.int64)
    splits = Splits(corpus.rows(), nothing, nothing, {}, 0)
    return Data(corpus, corpus.take(nothing), None, task, splits)


@pytest.fixture
def rare() -> Data:
    """200 rows, of which one has class c."""
    return data([0, 1] * 99 + [2, 0], Task("single", ("a", "b", "c")))


def test_no_budget_or_a_large_one_changes_nothing(rare: Data) -> None:
    assert within(rare, None, 0) is rare
    assert within(rare, 200, 0) is rare


@pytest.mark.parametrize("seed", range(5))
def test_the_budget_is_met_and_every_class_is_there(rare: Data, seed: int) -> None:
    for budget in (3, 10, 50, 199):
        train = within(rare, budget, seed).train
        assert len(train) == budget
        assert set(train.labels()) == {0, 1, 2}
        assert (np.diff(train.rows()) > 0).all(), "the file's own order"


def test_a_budget_below_the_classes_is_raised_to_them(rare: Data) -> None:
    assert len(within(rare, 1, 0).train) == 3


def test_a_larger_budget_contains_the_smaller_ones_rows(rare: Data) -> None:
    rows = [set(within(rare, budget, 4).train.rows()) for budget in (1, 5, 20, 120)]
    assert all(small < large for small, large in zip(rows, rows[1:], strict=False))


def test_the_sample_follows_from_the_seed(rare: Data) -> None:
    first, again, other = (within(rare, 20, seed).train.rows() for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_targets_and_several_labels_are_sampled_without_classes() -> None:
    whole = data([float(i) for i in range(40)], Task("regression", ("y",)))
    assert len(within(whole, 7, 0).train) == 7
    several = data([[0.0, 1.0]] * 40, Task("multi", ("a", "b")))
    assert len(within(several, 7, 0).train) == 7
    assert len(within(replace(several, task=None), 1, 0).train) == 1


@pytest.mark.parametrize("seed", range(5))
def test_shots_are_so_many_rows_of_each_class(seed: int) -> None:
    whole = data([0] * 80 + [1] * 15 + [2] * 5, Task("single", ("a", "b", "c")))
    few, more = (chosen(whole, FewArgs(shots=k), seed).train for k in (2, 5))
    assert np.bincount(few.labels()).tolist() == [2, 2, 2]
    assert np.bincount(more.labels()).tolist() == [5, 5, 5]
    assert set(few.rows()) < set(more.rows())
    assert (np.diff(more.rows()) > 0).all(), "the file's own order"
    assert (chosen(whole, FewArgs(shots=5), seed).train.rows() == more.rows()).all()
    assert (chosen(whole, FewArgs(shots=5), seed + 1).train.rows() != more.rows()).any()


def test_shots_that_cannot_be_are_refused(rare: Data) -> None:
    with pytest.raises(SteepError, match=r"fewer than 2 training rows of c \(1\)"):
        chosen(rare, FewArgs(shots=2), 0)
    with pytest.raises(SteepError, match="give one"):
        chosen(rare, FewArgs(shots=1, label_budget=5), 0)
    with pytest.raises(SteepError, match="a regression task"):
        chosen(data([0.5, 1.0], Task("regression", ("y",))), FewArgs(shots=1), 0)


def test_what_is_used_is_said(rare: Data) -> None:
    assert notes(rare, rare, FewArgs()) == []
    few = chosen(rare, FewArgs(shots=1), 0)
    assert notes(rare, few, FewArgs(shots=1)) == [
        "3 of 200 training labels are used, 1 of each class"
    ]
    few = chosen(rare, FewArgs(label_budget=1), 0)
    assert notes(rare, few, FewArgs(label_budget=1)) == [
        "3 of 200 training labels are used, one of every class"
    ]


ASKED = ProbeArgs(probe=True)


def loaded(rows: int, **options: float) -> Data:
    columns = {"text": [f"the film {i}" for i in range(rows)], "label": ["a", "b"] * (rows // 2)}
    how = make(SplitArgs, **options)
    return load(pd.DataFrame(columns), make(TableArgs, label="label"), how)


def test_a_thousand_rows_at_most_are_drawn_by_the_seed() -> None:
    whole = loaded(2000)
    train, valid = labelled_parts(whole, ASKED, 3)
    assert (len(train), len(valid)) == (MOST, 200) == (1000, 200)
    drawn = numbers(3, "probe", "train").choice(len(whole.train), MOST, replace=False)
    assert train.rows().tolist() == whole.train.rows()[np.sort(drawn)].tolist()
    assert valid is whole.valid
    assert labelled_parts(whole, ASKED, 4)[0].rows().tolist() != train.rows().tolist()
    assert labelled_parts(whole, ProbeArgs(), 3) is None


def test_what_a_probe_needs_is_said() -> None:
    with pytest.raises(SteepError, match="leave valid_share above 0"):
        labelled_parts(loaded(40, valid_share=0.0), ASKED, 0)
    with pytest.raises(SteepError, match="name the column of labels with --label"):
        unlabelled = load(pd.DataFrame({"text": list("abcdefgh")}), TableArgs(), SplitArgs())
        labelled_parts(unlabelled, ASKED, 0)
    regression = make(TableArgs, label="y", task="regression")
    frame = pd.DataFrame({"text": [f"film {i}" for i in range(40)], "y": range(40)})
    one = load(frame, regression, make(SplitArgs, valid_share=0.02))
    assert labelled_parts(one, ASKED, 0) is not None


def test_the_rows_are_tokenised_and_their_number_is_noted(tiny_bert: Path, tmp_path: Path) -> None:
    whole, tokenizer = loaded(40), load_tokenizer(tiny_bert)
    with outputs.writing(tmp_path / "out", "adapt", make(TableArgs), False) as run:
        assert probe_on(None, whole, tokenizer, 16, run) is None
        train, valid = probe_on(labelled_parts(whole, ASKED, 0), whole, tokenizer, 16, run)
        assert (len(train), len(valid), train.max_length) == (28, 4, 16)
        assert any("from 28 training rows and is scored on 4 " in n for n in run.manifest["notes"])


def test_neither_the_rows_nor_the_text_of_step_2_need_torch() -> None:
    code = "import steep.data.budget, steep.data.step2_text, sys; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
