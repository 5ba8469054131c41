"""Does accuracy rise where a model that knows when it is unsure may abstain?"""

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.abstention import COVERAGES, abstention

BINARY = Task("single", ("no", "yes"))


def test_accuracy_rises_as_a_calibrated_model_abstains() -> None:
    draw = np.random.default_rng(0)
    p = draw.random(20_000)
    labels = (draw.random(20_000) < p).astype(int)
    found = abstention(BINARY, labels, np.stack([1 - p, p], axis=1))
    assert found is not None
    values = [point["value"] for point in found["curve"]]
    assert values == sorted(values)
    assert [point["coverage"] for point in found["curve"]] == [*COVERAGES]
    # The most confident share c has confidence above 1 - c / 2, uniformly: on average 1 - c / 4.
    for point in found["curve"]:
        assert point["value"] == pytest.approx(1 - point["coverage"] / 4, abs=0.01)
        assert point["least"] == pytest.approx(1 - point["coverage"] / 2, abs=0.01)
    assert found["area"] == pytest.approx(1 - 1 / 8, abs=0.01)


def test_a_model_that_is_equally_sure_of_all_gains_nothing_whatever_the_order() -> None:
    labels, p = np.repeat([0, 1], [70, 30]), np.tile([0.9, 0.1], (100, 1))
    for order in (slice(None), slice(None, None, -1)):
        found = abstention(BINARY, labels[order], p)
        assert found is not None
        assert {round(point["value"], 9) for point in found["curve"]} == {0.7}


def test_several_labels_are_right_together() -> None:
    task = Task("multi", ("a", "b"), (0.2, 0.5))
    labels, p = np.array([[1, 0], [1, 0]]), np.array([[0.3, 0.1], [0.9, 0.6]])
    found = abstention(task, labels, p)
    assert found is not None
    assert found["metric"] == "exact_match"
    assert found["curve"][0]["value"] == 0.5
    assert found["curve"][-1] == {
        "coverage": 0.1, "rows": 1, "value": 0.0, "least": pytest.approx(0.54)
    }  # fmt: skip
    assert abstention(Task("regression", ("y",)), labels[:, 0], p[:, 0]) is None
