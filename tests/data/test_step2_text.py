"""Are step 2's files read as often as was asked for, and is it said what is no file or number?"""

import numpy as np
import pytest

from steep.data.step2_text import parse_file_weights, repeated
from steep.errors import SteepError

NAMES = ["data/task.csv", "pile.txt", "a=b.txt"]


def test_files_are_meant_by_name_or_path() -> None:
    assert parse_file_weights([], NAMES).tolist() == [1, 1, 1]
    assert parse_file_weights(["task.csv=3", "a=b.txt=0.5"], NAMES).tolist() == [3, 1, 0.5]
    assert parse_file_weights(["data/task.csv=0"], NAMES).tolist() == [0, 1, 1]


ABSURD = [f"pile.txt={number}" for number in ("two", "-1", "nan", "inf", "1e15", "1e-300", "1001")]


@pytest.mark.parametrize("weight", ["pile.txt", "pile.txt=", *ABSURD])
def test_what_is_no_number_is_said(weight: str) -> None:
    with pytest.raises(SteepError, match="FILE=2|no such file"):
        parse_file_weights([weight], NAMES)


def test_what_is_no_file_is_said() -> None:
    with pytest.raises(SteepError, match=r"one of task\.csv, pile\.txt, a=b\.txt"):
        parse_file_weights(["other.txt=2"], NAMES)
    with pytest.raises(SteepError, match="0 times"):
        parse_file_weights(["task.csv=0", "pile.txt=0", "a=b.txt=0"], NAMES)


def test_a_pass_in_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(SteepError, match="nothing is left to read in a pass"):
        repeated(np.arange(9), np.zeros(9, np.int64), np.array([0.01]), seed=0)


def test_windows_come_as_often_as_their_file_is_read() -> None:
    source = np.repeat([0, 1, 2], [100, 50, 7])
    found = repeated(np.arange(157), source, np.array([1.5, 2, 0]), seed=3)
    counts = np.bincount(found, minlength=157)
    assert counts[:100].sum() == 150
    assert set(counts[:100]) == {1, 2}
    assert (counts[100:150] == 2).all()
    assert (counts[150:] == 0).all()
    assert (np.diff(found) >= 0).all()
    again = repeated(np.arange(157), source, np.array([1.5, 2, 0]), seed=3)
    assert (found == again).all()
    other = repeated(np.arange(157), source, np.array([1.5, 2, 0]), seed=4)
    assert len(other) == len(found)
    assert (found != other).any()
