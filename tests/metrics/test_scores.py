"""Are metrics scikit-learn's own, and do intervals cover a known truth?"""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.metrics.scores import (
    METRICS,
    check_metric,
    confusion,
    higher_is_better,
    intervals,
    per_class,
    primary,
    resampled,
    score,
)
from steep.metrics.weighted import Draws
from steep.seeds import numbers


def single(classes: int, rows: int = 300, seed: int = 0, digits: int = 2):
    """Random labels and probabilities; few digits give ties."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    logits = random.normal(size=(rows, classes)).round(digits)
    logits[np.arange(rows), labels] += 0.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Task("single", tuple(f"c{i}" for i in range(classes))), labels, probabilities


def multi(columns: int = 4, rows: int = 300, seed: int = 1):
    random = np.random.default_rng(seed)
    labels = (random.random((rows, columns)) < 0.2).astype(np.float32)
    probabilities = np.clip(random.random((rows, columns)).round(2) + 0.2 * labels, 0.01, 0.99)
    return Task("multi", tuple(f"l{i}" for i in range(columns))), labels, probabilities


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_single_as_scikit_learn(classes):
    task, labels, p = single(classes)
    predicted = p.argmax(axis=1)
    auc = sk.roc_auc_score(labels, p[:, 1] if classes == 2 else p, multi_class="ovr")
    assert score(task, labels, p) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(labels, predicted),
            "macro_f1": sk.f1_score(labels, predicted, average="macro"),
            "micro_f1": sk.f1_score(labels, predicted, average="micro"),
            "auc": auc,
            "log_loss": sk.log_loss(labels, p),
        }
    )
    assert confusion(task, labels, p) == sk.confusion_matrix(labels, predicted).tolist()


def test_ordered_classes_as_scikit_learn():
    task, labels, p = single(5)
    ordered = Task("single", task.labels, ordered=True)
    found, predicted = score(ordered, labels, p), p.argmax(axis=1)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(labels, predicted))
    kappa = sk.cohen_kappa_score(labels, predicted, weights="quadratic")
    assert found["kappa"] == pytest.approx(kappa)
    assert score(task, labels, p).keys() == found.keys() - {"mae", "kappa"}


def test_multi_as_scikit_learn():
    task, labels, p = multi()
    predicted = p >= 0.5
    assert score(task, labels, p) == pytest.approx(
        {
            "auc": sk.roc_auc_score(labels, p, average="macro"),
            "macro_f1": sk.f1_score(labels, predicted, average="macro"),
            "micro_f1": sk.f1_score(labels, predicted, average="micro"),
            "exact_match": sk.accuracy_score(labels, predicted),
            "log_loss": np.mean([sk.log_loss(labels[:, i], p[:, i]) for i in range(4)]),
        }
    )


@pytest.mark.parametrize("unit", [1.0, 1e-7, 1e7])
def test_regression_as_scikit_learn(unit):
    random = np.random.default_rng(2)
    targets = unit * random.normal(size=200).round(1)
    predictions = targets + unit * random.normal(size=200).round(1)
    expected = {
        "rmse": sk.root_mean_squared_error(targets, predictions),
        "mae": sk.mean_absolute_error(targets, predictions),
        "spearman": stats.spearmanr(targets, predictions).statistic,
        "r2": sk.r2_score(targets, predictions),
    }
    task = Task("regression", ("stars",))
    assert score(task, targets, predictions) == pytest.approx(expected, rel=1e-6)
    assert score(task, targets, predictions[:, None]) == score(task, targets, predictions)


def test_per_class_as_scikit_learn():
    for task, labels, p in (single(3), multi()):
        truth = np.eye(3)[labels] if task.kind == "single" else labels
        predicted = np.eye(3)[p.argmax(axis=1)] if task.kind == "single" else p >= 0.5
        precision, recall, f1, rows = sk.precision_recall_fscore_support(truth, predicted)
        for i, entry in enumerate(per_class(task, labels, p)):
            assert (entry["label"], entry["rows"]) == (task.labels[i], rows[i])
            found = [entry[name] for name in ("precision", "recall", "f1", "auc")]
            auc = sk.roc_auc_score(truth[:, i], p[:, i])
            assert found == pytest.approx([precision[i], recall[i], f1[i], auc])


def test_absent_classes_are_left_out():
    task, labels, p = single(4)
    rows = labels < 3
    p = p[rows] * [1, 1, 1, 0]
    predicted, labels = p.argmax(axis=1), labels[rows]
    found = score(task, labels, p)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    columns = [sk.roc_auc_score(labels == i, p[:, i]) for i in range(3)]
    assert found["auc"] == pytest.approx(np.mean(columns))
    last = per_class(task, labels, p)[3]
    assert last == dict.fromkeys(last) | {"label": "c3", "rows": 0}


def test_undefined_values_are_left_out_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task, labels, p = single(2)
        assert "auc" not in score(task, np.zeros_like(labels), p)
        task, labels, p = multi(2)
        none = score(task, np.zeros_like(labels), np.zeros_like(p))
        assert set(none) == {"exact_match", "log_loss"}
        constant = np.full(5, 0.1)
        regression = Task("regression", ("stars",))
        assert set(score(regression, constant, np.arange(5.0))) == {"rmse", "mae"}
        assert set(score(regression, np.arange(5.0), constant)) == {"rmse", "mae", "r2"}
        assert score(task, labels[:1], p[:1])["exact_match"] in (0.0, 1.0)


def test_one_column_with_both_values_is_enough_for_multi_label_auc():
    task, labels, p = multi(2)
    labels[:, 1] = 0
    assert score(task, labels, p)["auc"] == pytest.approx(sk.roc_auc_score(labels[:, 0], p[:, 0]))


def test_certain_and_wrong_costs_much_but_not_infinitely():
    task = Task("single", ("a", "b"))
    assert 30 < score(task, np.array([1]), np.array([[1.0, 0.0]]))["log_loss"] < 40


def test_bad_predictions_are_one_clear_message():
    task, labels, p = single(3)
    with pytest.raises(SteepError, match="do not fit 300 rows and 3 labels"):
        score(task, labels, p[:, :2])
    with pytest.raises(SteepError, match="no labelled rows"):
        score(task, labels[:0], p[:0])
    p[:7] = np.nan
    with pytest.raises(SteepError, match="7 of 300 rows are not finite"):
        score(task, labels, p)


def test_names():
    task = Task("multi", ("a", "b"))
    assert check_metric(task, "auc") == "auc"
    with pytest.raises(SteepError, match="'accuracy' for a multi task.*exact_match"):
        check_metric(task, "accuracy")
    for kind, names in METRICS.items():
        assert primary(Task(kind, ("a",))) in names
    lower = {n for names in METRICS.values() for n in names if not higher_is_better(n)}
    assert lower == {"log_loss", "rmse", "mae"}


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
    (found,) = resampled(task, labels, [p], draws=Draws(5, 4))
    for i, rows in enumerate(numbers(4, "bootstrap").integers(0, ROWS, (5, ROWS))):
        expected = score(task, labels[rows], p[rows])
        assert {name: found[name][i] for name in METRICS[kind]} == pytest.approx(expected)


def test_named_metrics_only_and_the_same_rows_for_every_model():
    task, labels, p = example("single")
    (every,) = resampled(task, labels, [p], draws=Draws(50))
    (only,) = resampled(task, labels, [p], ("accuracy",), Draws(50))
    assert list(only) == ["accuracy"]
    assert (only["accuracy"] == every["accuracy"]).all()
    assert (
        every["accuracy"] != resampled(task, labels, [p], draws=Draws(50, 1))[0]["accuracy"]
    ).any()


def test_coverage_of_a_known_accuracy():
    """200 tests of 150 rows by a model that is right with probability 0.8."""
    random, task = np.random.default_rng(5), Task("single", ("a", "b"))
    covered = 0
    for seed in range(200):
        right = random.random(150) < 0.8
        p = np.where(right[:, None], [0.1, 0.9], [0.9, 0.1])
        low, high = intervals(task, np.ones(150, int), p, Draws(300, seed))["accuracy"]
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
