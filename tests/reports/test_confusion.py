"""Are confusions counted, and are classes that are taken for each other neighbours?"""

import numpy as np
import pandas as pd

from steep.reports.blocks import Map
from steep.reports.pictures import MAPPED, confusion_blocks, confusion_counts, neighbours
from steep.run_tables import Table

LABELS = [f"c{i}" for i in range(12)]


def test_confusion_is_summed_over_seeds() -> None:
    seeds = [["no", "yes", "no", "no", "no"], ["yes", "yes", "yes", "no", "no"]]
    truth = ["yes", "yes", "yes", "no", "no"]
    tables = [pd.DataFrame({"truth": truth, "predicted": said}) for said in seeds]
    assert confusion_counts(tables, ["no", "yes"]).tolist() == [[4, 0], [2, 4]]


def test_of_many_classes_there_is_a_map_and_the_most_confused_pairs_come_first() -> None:
    frame = pd.DataFrame({"truth": ["c3"] * 5 + ["c1"], "predicted": ["c7"] * 4 + ["c3", "c2"]})
    drawn, pairs = confusion_blocks({"base": confusion_counts([frame], LABELS)}, LABELS, "rows")
    assert isinstance(drawn, Map) and isinstance(pairs, Table)
    assert pairs.rows == [("c3", "c7", "4"), ("c1", "c2", "1")]
    assert pairs.note == "2 of 2 confused pairs; 12 classes in all."
    assert abs(drawn.labels.index("c3") - drawn.labels.index("c7")) == 1
    at = drawn.labels.index("c3")
    told = {said: strength for row, _, strength, _, said in drawn.cells if row == at}
    assert told == {"c3 predicted as c7: 4": 80, "c3 predicted as c3: 1": 20}


def test_a_map_holds_the_classes_with_the_most_mistakes() -> None:
    labels = [f"c{i}" for i in range(MAPPED + 10)]
    table = np.eye(len(labels), dtype=int) * 9
    for i in range(8, len(labels) - 1, 2):
        table[i, i + 1] = 1
    drawn = confusion_blocks({"test": table}, labels, "test rows")[0]
    assert isinstance(drawn, Map)
    assert len(drawn.labels) == MAPPED and not {"c0", "c1", "c2"} & set(drawn.labels)
    assert drawn.note.startswith("The 30 of 40 classes with the most mistakes, test rows:")


def test_classes_that_are_confused_are_neighbours() -> None:
    table = np.eye(6, dtype=int) * 10
    for one, other in ((0, 3), (1, 5), (2, 4)):
        table[one, other] = table[other, one] = 8
    order = neighbours(table).tolist()
    assert all(abs(order.index(a) - order.index(b)) == 1 for a, b in ((0, 3), (1, 5), (2, 4)))


def test_shares_of_any_counts_have_an_order() -> None:
    """2 - a - b is not 2 - b - a to the last bit; scipy refuses distances that differ by it."""
    table = np.random.default_rng(0).integers(0, 50, (13, 13))
    assert sorted(neighbours(table)) == [*range(13)]
