"""Is LogME the largest log evidence of a Bayesian linear model, and does it rank features?"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from steep.data.corpus import Task
from steep.metrics.logme import label_columns, logme


def largest(features: np.ndarray, target: np.ndarray) -> float:
    """The log evidence a row by its definition: the density of the target, over both precisions."""
    rows = len(target)

    def negative(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        covariance = np.eye(rows) / beta + features @ features.T / alpha
        return -multivariate_normal(np.zeros(rows), covariance).logpdf(target) / rows

    tried = [minimize(negative, start, method="Nelder-Mead") for start in ([0, 0], [3, 1], [1, 4])]
    return -min(found.fun for found in tried)


@pytest.mark.parametrize("size", [5, 20, 90])
def test_it_is_the_largest_evidence_also_with_fewer_rows_than_features(size: int) -> None:
    draw = np.random.default_rng(size)
    features = draw.normal(size=(40, size)) * draw.uniform(0.2, 2, size)
    target = features[:, :3].sum(axis=1) / 2 + draw.normal(size=40) + 0.5
    assert logme(features, target) == pytest.approx(largest(features, target), abs=2e-3)
    labels = (target > 0.5).astype(float)
    assert logme(features, labels) == pytest.approx(largest(features, labels), abs=2e-3)


def test_it_does_not_see_rotations_scales_or_the_order_of_rows() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(80, 12))
    target = (features[:, 0] + draw.normal(size=80) > 0).astype(float)
    turned, _ = np.linalg.qr(draw.normal(size=(12, 12)))
    order = draw.permutation(80)
    found = logme(features, target)
    assert logme(features @ turned, target) == pytest.approx(found, abs=1e-6)
    assert logme(30 * features, target) == pytest.approx(found, abs=2e-3)
    assert logme(features[order], target[order]) == pytest.approx(found, abs=1e-6)


def test_better_features_have_more() -> None:
    draw = np.random.default_rng(1)
    hidden = draw.normal(size=(200, 3))
    labels = hidden.argmax(axis=1)
    targets = label_columns(Task("single", ("a", "b", "c")), labels)
    found = [logme(hidden + draw.normal(size=hidden.shape) * s, targets) for s in (0.1, 0.5, 1, 4)]
    assert found == sorted(found, reverse=True)


def test_several_columns_are_averaged_and_constant_ones_do_not_count() -> None:
    draw = np.random.default_rng(2)
    features = draw.normal(size=(60, 4))
    one, two = (draw.integers(0, 2, 60).astype(float) for _ in range(2))
    both = np.stack([one, two, np.zeros(60), np.ones(60)], axis=1)
    expected = (logme(features, one) + logme(features, two)) / 2
    assert logme(features, both) == pytest.approx(expected)
    assert np.isnan(logme(features, np.ones(60)))


def test_labels_become_columns() -> None:
    single = label_columns(Task("single", ("a", "b", "c")), np.array([2, 0]))
    assert single.tolist() == [[0, 0, 1], [1, 0, 0]]
    multi = np.array([[0, 1], [1, 1]], np.float32)
    assert label_columns(Task("multi", ("a", "b")), multi).tolist() == multi.tolist()
    years = label_columns(Task("regression", ("year",)), np.array([1990.0, 2000.0]))
    assert years.tolist() == [[-1.0], [1.0]]
