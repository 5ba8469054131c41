"""Does a probe find what is linear in the features, and say how sure it is?"""

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.probing import linear_score, probed
from steep.metrics.weighted import Draws

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


def test_the_standard_error_is_that_of_a_share() -> None:
    task = Task("single", ("a", "b"))
    labels = (X[:, 0] + RANDOM.normal(size=400) > 0).astype(int)
    found = probed(task, (X[:200], labels[:200]), (X[200:], labels[200:]))
    assert found.score == linear_score(task, (X[:200], labels[:200]), (X[200:], labels[200:]))
    expected = (found.score * (1 - found.score) / 200) ** 0.5
    assert found.error == pytest.approx(expected, rel=0.1)


def test_differences_are_paired_and_signed_by_what_is_better() -> None:
    task, labels = TASKS["regression"]
    noise = np.random.default_rng(1).normal(size=X.shape)  # its own, whichever tests ran before
    good, bad = (
        probed(task, (x[:200], labels[:200]), (x[200:], labels[200:]))
        for x in (X + noise / 6, X + noise / 3)
    )
    gain, error = good.above(bad)
    assert gain == pytest.approx(bad.score - good.score) and gain > 4 * error, "rmse: less is more"
    assert error < 0.7 * (good.error**2 + bad.error**2) ** 0.5, "the rows are the same"
    assert good.above(good) == (0, 0)


def test_rows_that_belong_together_are_drawn_together() -> None:
    task = Task("single", ("a", "b"))
    groups, x = np.repeat(np.arange(20), 10), np.repeat(X[:20], 10, axis=0)
    labels = np.repeat((X[:20, 0] + RANDOM.normal(size=20) > 0).astype(int), 10)
    parts = ((X, (X[:, 0] > 0).astype(int)), (x, labels))
    alone, together = probed(task, *parts), probed(task, *parts, Draws(groups=groups))
    assert together.score == alone.score
    assert together.error > 2 * alone.error
