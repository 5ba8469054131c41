"""Bootstrap intervals: metrics of the drawn rows; coverage of a known truth."""

import numpy as np
import pytest
from scipy import stats

from steep.data.corpus import Task
from steep.metrics.intervals import intervals, resampled
from steep.metrics.scores import METRICS, score
from steep.seeds import numbers

ROWS = 60


def example(kind: str):
    random = np.random.default_rng(3)
    task = Task(kind, {"single": ("a", "b", "c"), "multi": ("a", "b"), "regression": ("y",)}[kind])
    labels = {
        "single": random.integers(0, 3, ROWS),
        "multi": (random.random((ROWS, 2)) < 0.4).astype(np.float32),
        "regression": random.normal(size=ROWS).round(1),
    }[kind]
    p = random.random((ROWS, len(task.labels))).round(2) + 0.01
    return task, labels, p / p.sum(axis=1, keepdims=True) if kind == "single" else p / 2


@pytest.mark.parametrize("kind", METRICS)
def test_a_resample_is_the_metric_of_the_drawn_rows(kind):
    task, labels, p = example(kind)
    (found,) = resampled(task, labels, [p], resamples=5, seed=4)
    for i, rows in enumerate(numbers(4, "bootstrap").integers(0, ROWS, (5, ROWS))):
        expected = score(task, labels[rows], p[rows])
        assert {name: found[name][i] for name in METRICS[kind]} == pytest.approx(expected)


def test_named_metrics_only_and_the_same_rows_for_every_model():
    task, labels, p = example("single")
    (every,) = resampled(task, labels, [p], resamples=50)
    (only,) = resampled(task, labels, [p], ("accuracy",), resamples=50)
    assert list(only) == ["accuracy"]
    assert (only["accuracy"] == every["accuracy"]).all()
    assert (
        every["accuracy"] != resampled(task, labels, [p], resamples=50, seed=1)[0]["accuracy"]
    ).any()


def test_coverage_of_a_known_accuracy():
    """200 tests of 150 rows by a model that is right with probability 0.8."""
    random, task = np.random.default_rng(5), Task("single", ("a", "b"))
    covered = 0
    for seed in range(200):
        right = random.random(150) < 0.8
        p = np.where(right[:, None], [0.1, 0.9], [0.9, 0.1])
        low, high = intervals(task, np.ones(150, int), p, resamples=300, seed=seed)["accuracy"]
        covered += low <= 0.8 <= high
    assert stats.binomtest(covered, 200, 0.94).pvalue > 0.001


def test_undefined_resamples_do_not_count():
    task, labels = Task("single", ("a", "b")), np.array([0, 0, 0, 0, 0, 1])
    p = np.array([[0.9, 0.1]] * 5 + [[0.1, 0.9]])
    assert intervals(task, labels, p)["auc"] == (1.0, 1.0)
    assert "auc" not in intervals(task, labels * 0, p)


def test_one_row():
    task = Task("single", ("a", "b"))
    assert intervals(task, np.array([1]), np.array([[0.3, 0.7]]))["accuracy"] == (1.0, 1.0)
