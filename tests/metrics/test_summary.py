"""Is the summary plain JSON that agrees with its parts, and does abstention pay where it should?"""

import json

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.scores import score
from steep.metrics.summary import (
    CONSTANT,
    COVERAGES,
    abstention,
    beside,
    headline,
    summarise,
    summary_lines,
)
from steep.metrics.weighted import Draws


def test_single():
    random, task = np.random.default_rng(0), Task("single", ("ham", "spam"))
    labels = random.integers(0, 2, 100)
    p = np.stack([1 - (q := random.random(100)), q], axis=1)
    summary = json.loads(json.dumps(summarise(task, labels, p, Draws(100))))
    assert summary["rows"] == 100
    assert {n: m["value"] for n, m in summary["metrics"].items()} == score(task, labels, p)
    for entry in summary["metrics"].values():
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert np.trace(summary["confusion"]) == 100 * summary["metrics"]["accuracy"]["value"]
    assert [entry["label"] for entry in summary["per_class"]] == ["ham", "spam"]


def test_regression_has_no_classes():
    targets = np.arange(10.0)
    summary = summarise(Task("regression", ("stars",)), targets, targets + 1, Draws(20))
    assert (summary["per_class"], summary["confusion"]) == ([], None)
    assert summary_lines(summary)[0] == "rmse 1.000 (1.000 to 1.000)"


def test_lines():
    metrics = {
        "accuracy": {"value": 0.8731, "low": 0.861, "high": 0.8839},
        "auc": {"value": 0.5, "low": None, "high": None},
    }
    known = ["accuracy 0.873 (0.861 to 0.884)", "auc 0.500"]
    assert summary_lines({"metrics": metrics, "calibration": None, "abstention": None}) == known
    error = {"ece": 0.04, "low": 0.02, "high": 0.05, "bins": 15}
    curve = {"metric": "accuracy", "area": 0.95, "curve": [{"coverage": 0.8, "value": 0.93}]}
    assert summary_lines({"metrics": {}, "calibration": error, "abstention": curve}) == [
        "ece 0.040 (0.020 to 0.050), calibration error in 15 bins",
        "accuracy 0.930 on the 80% of rows with the highest confidence; "
        "mean over all coverages 0.950",
    ]


def test_few_groups_are_told() -> None:
    labels, p = np.arange(40) % 2, np.full((40, 2), 0.5)
    for groups, said in ((None, False), (np.arange(40) // 20, True), (np.arange(40), False)):
        summary = summarise(BINARY, labels, p, Draws(20, groups=groups))
        assert any("only 2 groups of rows" in line for line in summary_lines(summary)) is said


def test_one_group_has_no_intervals_at_all() -> None:
    """Every resample is the sample, so that they were of width 0."""
    labels, alone = np.arange(40) % 2, Draws(20, groups=np.zeros(40, int))
    p = np.where(labels[:, None], [0.2, 0.8], [0.7, 0.3])
    found = beside(
        labels, (BINARY, p), {CONSTANT: (BINARY, np.full((40, 2), 0.5))}, "accuracy", alone
    )
    assert found["skill"] and found["baselines"][CONSTANT]["gain"] == 0.5
    assert found["baselines"][CONSTANT]["low"] is None
    assert headline(found).startswith("No clear difference from")
    summary = summarise(BINARY, labels, p, alone)
    assert summary["calibration"]["low"] is None
    assert not any(
        "(" in line for line in summary_lines(summary) if line.startswith(("ece", "acc"))
    )


def test_several_labels_are_beside_predicting_none():
    task, labels = Task("multi", ("a", "b")), np.array([[0, 0], [0, 0], [0, 0], [1, 0]])
    summary = summarise(task, labels, np.full((4, 2), 0.1))
    line = next(line for line in summary_lines(summary) if line.startswith("exact_match"))
    assert line.endswith("; predicting no label for any row would have 0.750")


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
