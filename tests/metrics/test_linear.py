"""Does the probe read out what is in the features, for every kind of task, and no more?"""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from steep.data.corpus import Task
from steep.metrics.linear import fitted_classifier, linear_score

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 5))
TASKS = {
    "single": (Task("single", ("a", "b", "c")), X[:, :3].argmax(1)),
    "multi": (Task("multi", ("a", "b")), (X[:, :2] > 0).astype(np.float32)),
    "regression": (Task("regression", ("y",)), X[:, 0] - 2 * X[:, 1]),
}


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_linear_in_the_features_is_found(kind: str) -> None:
    task, labels = TASKS[kind]
    noise = RANDOM.normal(size=X.shape)
    found = linear_score(task, (X[:200], labels[:200]), (X[200:], labels[200:]))
    nothing = linear_score(task, (noise[:200], labels[:200]), (noise[200:], labels[200:]))
    if kind == "regression":
        assert found < 0.1 < nothing
    else:
        assert found > 0.9 > 0.65 > nothing


def test_a_class_without_rows_to_learn_from_is_never_predicted() -> None:
    task, labels = TASKS["single"]
    known = labels != 2
    seen = (X[:200][known[:200]], labels[:200][known[:200]])
    found = linear_score(task, seen, (X[200:], labels[200:]))
    assert 0.5 < found < known[200:].mean() + 0.01
    one = linear_score(task, (X[:5], np.full(5, 1)), (X[200:], labels[200:]))
    assert one == pytest.approx((labels[200:] == 1).mean())


def test_a_classifier_has_a_column_for_every_class_also_without_rows() -> None:
    labels = np.array([2, 0, 2, 0] * 10)
    model = LogisticRegression()
    weights = np.where(labels == 2, 3.0, 1.0)
    found = fitted_classifier(model, X[:40], labels, 4, weights)(X[40:60])
    assert found.shape == (20, 4)
    assert (found[:, [1, 3]] == 0).all()
    expected = LogisticRegression().fit(X[:40], labels, weights).predict_proba(X[40:60])
    assert (found[:, [0, 2]] == expected).all()
    plain = fitted_classifier(LogisticRegression(), X[:40], labels, 4)(X[40:60])
    assert (plain[:, 2] < found[:, 2]).all(), "its rows count three times with the weights"


def test_labels_of_two_classes_may_be_bools_and_features_sparse() -> None:
    labels = X[:, 0] > 0
    found = fitted_classifier(LogisticRegression(), csr_matrix(X), labels, 2)(csr_matrix(X[:9]))
    assert (found.argmax(axis=1) == labels[:9]).mean() > 0.9
    alone = fitted_classifier(LogisticRegression(), csr_matrix(X), labels | True, 2)
    assert alone(csr_matrix(X[:9])).tolist() == [[0.0, 1.0]] * 9
