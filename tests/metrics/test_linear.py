"""Does the probe read out what is in the features, for every kind of task, and no more?"""

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.linear import linear_score

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
