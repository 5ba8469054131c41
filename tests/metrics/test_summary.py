"""The summary is plain JSON, agrees with its parts, and prints."""

import json

import numpy as np

from steep.data.corpus import Task
from steep.metrics.scores import score
from steep.metrics.summary import summarise, summary_lines


def test_single():
    random, task = np.random.default_rng(0), Task("single", ("ham", "spam"))
    labels = random.integers(0, 2, 100)
    p = np.stack([1 - (q := random.random(100)), q], axis=1)
    summary = json.loads(json.dumps(summarise(task, labels, p, resamples=100)))
    assert summary["rows"] == 100
    assert {n: m["value"] for n, m in summary["metrics"].items()} == score(task, labels, p)
    for entry in summary["metrics"].values():
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert np.trace(summary["confusion"]) == 100 * summary["metrics"]["accuracy"]["value"]
    assert [entry["label"] for entry in summary["per_class"]] == ["ham", "spam"]


def test_regression_has_no_classes():
    targets = np.arange(10.0)
    summary = summarise(Task("regression", ("stars",)), targets, targets + 1, resamples=20)
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
        "accuracy 0.930 on the most confident 80% of rows; mean over all shares 0.950",
    ]
