"""Is the calibration error right where it is known, and is a planted temperature found?"""

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.calibration import (
    BINS,
    calibrated,
    calibration,
    ece,
    fit_temperatures,
    to_logits,
)
from steep.metrics.weighted import Draws

SINGLE = Task("single", ("a", "b", "c"))
MULTI = Task("multi", ("a", "b"))


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def simulated(task: Task, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from just the probabilities that they mean."""
    draw = np.random.default_rng(seed)
    logits = 2 * draw.normal(size=(rows, len(task.labels)))
    if task.kind == "multi":
        return logits, (draw.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    return logits, np.array([draw.choice(len(p), p=p) for p in softmax(logits)])


def test_known_errors() -> None:
    two = Task("single", ("a", "b"))
    promised = np.tile([0.8, 0.2], (10, 1))
    assert ece(two, np.repeat([0, 1], [8, 2]), promised) == pytest.approx(0)
    assert ece(two, np.repeat([0, 1], [5, 5]), promised) == pytest.approx(0.3)
    one = Task("multi", ("x",))
    given, true = np.array([[0.1]] * 10 + [[0.9]] * 10), np.array([[0.0]] * 10 + [[1.0]] * 10)
    assert ece(one, true, given) == pytest.approx(0.1)
    assert ece(one, 1 - true, given) == pytest.approx(0.9)


def test_errors_of_opposite_sign_in_one_bin_cancel_and_in_two_do_not() -> None:
    two, labels = Task("single", ("a", "b")), np.repeat([0, 1], [7, 3])
    near = np.array([0.69] * 5 + [0.71] * 5)
    far = np.array([0.55] * 5 + [0.85] * 5)
    assert int(0.69 * BINS) == int(0.71 * BINS)
    assert ece(two, labels, np.stack([near, 1 - near], axis=1)) == pytest.approx(0)
    assert ece(two, labels, np.stack([far, 1 - far], axis=1)) == pytest.approx(0.45)


def test_several_labels_count_the_same() -> None:
    given, true = np.full((10, 2), 0.5), np.zeros((10, 2))
    true[:5, 0] = 1
    assert ece(MULTI, true, given) == pytest.approx((0 + 0.5) / 2)


def test_the_interval_holds_what_is_true() -> None:
    logits, labels = simulated(SINGLE, 2000)
    true = calibration(SINGLE, labels, softmax(logits), Draws(200))
    assert true is not None
    assert true["low"] == 0
    sharp = calibration(SINGLE, labels, softmax(3 * logits), Draws(200))
    many, truth = simulated(SINGLE, 50_000, 1)
    exact = ece(SINGLE, truth, softmax(3 * many))
    assert sharp is not None
    assert sharp["low"] < exact < sharp["high"]
    assert sharp["low"] > true["high"]
    assert sum(row["cells"] for row in sharp["reliability"]) == 2000
    assert calibration(Task("regression", ("y",)), labels, labels) is None


@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(planted: float) -> None:
    logits, labels = simulated(SINGLE, 5000)
    (found,), notes = fit_temperatures(SINGLE, labels, softmax(planted * logits))
    assert found == pytest.approx(planted, rel=0.06)
    assert not notes
    given = calibrated(SINGLE, softmax(planted * logits), (found,))
    assert ece(SINGLE, labels, given) < 0.03
    assert (given.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert np.allclose(given.sum(axis=1), 1)


def test_every_label_has_its_own_temperature_and_rare_ones_share() -> None:
    logits, labels = simulated(MULTI, 5000)
    p = 1 / (1 + np.exp(-logits * np.array([0.5, 3.0])))
    found, notes = fit_temperatures(MULTI, labels, p)
    assert found == (pytest.approx(0.5, rel=0.06), pytest.approx(3, rel=0.06))
    assert not notes
    labels[:, 1] = 0
    labels[:4, 1] = 1
    (_, shared), (note,) = fit_temperatures(MULTI, labels, p)
    assert "fewer than 10 validation rows" in note
    assert note.endswith(": b 4")
    assert shared != pytest.approx(3, rel=0.06)


def test_no_temperature_changes_nothing_and_certainty_stays_finite() -> None:
    p = np.array([[1.0, 0.0], [0.3, 0.7]], np.float32)
    assert calibrated(MULTI, p, ()) is p
    assert np.isfinite(to_logits(MULTI, p)).all()
    assert calibrated(MULTI, p, (1.0, 1.0)) == pytest.approx(p, abs=1e-6)
    assert np.isfinite(calibrated(MULTI, p, (0.05, 0.05))).all()
