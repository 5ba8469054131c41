"""Are thresholds the best there are, by each rule, and said where rows are too few?"""

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.metrics.calibration import confidence, decide, fit_temperatures
from steep.metrics.decisions import (
    best_threshold,
    check_rule,
    choose_thresholds,
    parse_rule,
)

MULTI = Task("multi", ("a", "b"))
BINARY = Task("single", ("no", "yes"))


def worth(truth: np.ndarray, claimed: np.ndarray, rule: str) -> tuple[float, float]:
    """What a rule wants, written plainly: first its condition, then what it maximises."""
    hits, claims, positives = (truth & claimed).sum(), claimed.sum(), truth.sum()
    precision, recall = hits / max(claims, 1), hits / positives
    if rule == "f1":
        return 0.0, 2 * hits / (positives + claims)
    if rule == "precision:0.7":
        return (1.0, recall) if claims and precision >= 0.7 else (0.0, precision)
    if rule == "recall:0.7":
        return (1.0, precision) if recall >= 0.7 else (0.0, recall)
    return 0.0, -float(1 * (claims - hits) + 5 * (positives - hits))


@pytest.mark.parametrize("rule", ["f1", "precision:0.7", "recall:0.7", "cost:1,5"])
@pytest.mark.parametrize("digits", [1, 6])
@pytest.mark.parametrize("seed", range(8))
def test_no_other_threshold_is_better(rule: str, digits: int, seed: int) -> None:
    """Every threshold between two scores is tried, with many ties (1 digit) and with none."""
    draw = np.random.default_rng(seed)
    truth = draw.random(60) < 0.3
    scores = np.round(np.clip(0.3 * truth + 0.7 * draw.random(60), 0, 1), digits)
    edges = np.unique(scores)
    every = [0.0, *(edges[1:] + edges[:-1]) / 2, (edges[-1] + 1) / 2 + 0.01]
    found = best_threshold(truth, scores, parse_rule(rule))
    most = max(worth(truth, scores >= threshold, rule) for threshold in every)
    assert worth(truth, scores >= found, rule) == pytest.approx(most)


def test_zeros_and_ones_among_the_scores() -> None:
    truth, scores = np.array([True] * 3 + [False] * 3), np.array([0.0] * 3 + [1.0] * 3)
    assert (scores >= best_threshold(truth, scores, parse_rule("recall:0.9"))).all()
    assert not (scores >= best_threshold(truth, scores, parse_rule("cost:10,1"))).any()


def test_decisions_without_thresholds_are_a_half_or_the_most_probable() -> None:
    p = np.array([[0.5, 0.49], [0.2, 0.8]])
    assert decide(MULTI, p).tolist() == [[True, False], [False, True]]
    assert decide(BINARY, p).tolist() == [0, 1]
    assert confidence(BINARY, p).tolist() == [0.5, 0.8]
    assert confidence(MULTI, p) == pytest.approx([0.5 * 0.51, 0.8 * 0.8])


def test_decisions_with_thresholds() -> None:
    p = np.array([[0.5, 0.5], [0.2, 0.8]])
    assert decide(Task("multi", ("a", "b"), (0.6, 0.1)), p).tolist() == [[0, 1], [0, 1]]
    strict = Task("single", ("no", "yes"), (0.9,))
    assert decide(strict, p).tolist() == [0, 0]
    assert confidence(strict, p).tolist() == [0.5, 0.2]


def test_a_label_with_few_rows_keeps_one_half_and_is_counted() -> None:
    labels = np.zeros((100, 2), np.float32)
    labels[:40, 0] = labels[:9, 1] = 1
    p = np.linspace(0.4, 0.1, 100)[:, None].repeat(2, axis=1)
    thresholds, notes = choose_thresholds(MULTI, labels, p, parse_rule("f1"))
    assert thresholds[0] == pytest.approx((p[39, 0] + p[40, 0]) / 2)
    assert thresholds[1] == 0.5
    (note,) = notes
    assert note.endswith("fewer than 10 validation rows have a label, or lack it: b 9")
    assert choose_thresholds(MULTI, labels, p, parse_rule("0.3")) == ((0.3, 0.3), [])


def test_of_many_such_labels_only_some_are_named() -> None:
    task = Task("multi", tuple(f"label {i}" for i in range(50)))
    labels, p = np.zeros((100, 50), np.float32), np.full((100, 50), 0.5)
    (thresholds,) = choose_thresholds(task, labels, p, parse_rule("f1"))[1]
    labels[:50] = 1
    (short,) = choose_thresholds(task, labels, p, parse_rule("precision:0.9"))[1]
    (temperatures,) = fit_temperatures(task, np.zeros((100, 50)), p)[1]
    for note in (thresholds, short, temperatures):
        assert note.endswith(" and 45 more")


def test_two_classes_have_one_threshold_of_the_second() -> None:
    labels = np.repeat([0, 1], 50)
    p = np.linspace(0.01, 0.3, 100)
    thresholds, notes = choose_thresholds(
        BINARY, labels, np.stack([1 - p, p], axis=1), parse_rule("f1")
    )
    assert thresholds == (pytest.approx((p[49] + p[50]) / 2),)
    assert not notes


def test_a_precision_that_cannot_be_reached_is_said() -> None:
    labels, p = np.tile([0, 1], 50), np.full((100, 2), 0.5)
    _, notes = choose_thresholds(BINARY, labels, p, parse_rule("precision:0.9"))
    assert notes == [
        "no threshold reaches precision 0.9 on the validation rows for these; theirs is the "
        "nearest: yes 0.50"
    ]


@pytest.mark.parametrize(
    "text", ["", "f2", "f1:1", "precision", "precision:2", "cost:1", "cost:1,-2", "recall:x", "1.5"]
)
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(SteepError, match=r"expected 'f1', 'precision:0.9', .* between 0 and 1"):
        parse_rule(text)


def test_tasks_without_thresholds() -> None:
    with pytest.raises(SteepError, match="a regression predicts a quantity"):
        check_rule(Task("regression", ("stars",)), "f1")
    with pytest.raises(SteepError, match="of 3 classes the most probable one"):
        check_rule(Task("single", ("a", "b", "c")), "f1")
