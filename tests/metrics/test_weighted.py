"""Does an interval count what it rests on: rows, groups, positives; and is it widened for few?"""

import numpy as np
import pytest
from scipy import stats

from steep.data.corpus import Task
from steep.metrics.scores import intervals, resampled
from steep.metrics.weighted import Draws, Support, support

TWO = Task("single", ("no", "yes"))
MANY = Task("multi", ("a", "b"))


def labels_of(positives: int, rows: int) -> np.ndarray:
    return (np.arange(rows) < positives).astype(int)


def test_equal_groups_count_as_many_and_unequal_ones_as_fewer() -> None:
    found = support(TWO, labels_of(250, 500), "accuracy", np.repeat(np.arange(20), 25))
    assert (found.units, found.df) == pytest.approx((20, 19))
    assert found.widening == pytest.approx(20 / 19)
    sizes = np.array([100] + [10] * 10)
    groups = np.repeat(np.arange(11), sizes)
    uneven = support(TWO, labels_of(100, 200), "accuracy", groups)
    assert uneven.units == pytest.approx(200**2 / (100**2 + 10 * 10**2))
    assert uneven.widening > 11 / 10


@pytest.mark.parametrize("metric", ["auc", "macro_f1"])
def test_an_auc_rests_on_its_positives(metric: str) -> None:
    found = support(TWO, labels_of(5, 1000), metric)
    assert (found.units, found.df) == pytest.approx((5, 4))
    assert found.widening == pytest.approx(5 / 4)
    assert support(TWO, labels_of(995, 1000), metric).units == pytest.approx(5)
    assert support(TWO, labels_of(5, 1000), "accuracy").units == 1000
    both = np.stack([labels_of(5, 1000), labels_of(5, 1000)[::-1]], axis=1)
    assert support(MANY, both, metric).df == pytest.approx(8)  # two means of five


def test_a_single_positive_or_group_tells_nothing() -> None:
    assert support(TWO, labels_of(1, 100), "auc").df == 0
    assert support(TWO, labels_of(50, 100), "accuracy", np.zeros(100, int)).df == 0
    p = np.random.default_rng(0).random(100)
    both = np.stack([1 - p, p], axis=1)
    assert intervals(TWO, labels_of(50, 100), both, Draws(groups=np.zeros(100, int))) == {}


def test_a_single_positive_of_one_label_weakens_the_mean_over_several() -> None:
    """It is in the mean, and no resample shows what it does: it was left out, and studies of
    labels with 1 and 70 positives said yes or no, where nothing was, in a fifth of cases.
    """
    task = Task("multi", ("rare", "frequent"))
    both = np.stack([labels_of(1, 200), labels_of(70, 200)], axis=1)
    found, alone = support(task, both, "auc"), support(TWO, labels_of(70, 200), "auc")
    assert found.df < 2 < alone.df
    two = np.stack([labels_of(2, 200), labels_of(70, 200)], axis=1)
    assert found.df == pytest.approx(support(task, two, "auc").df)


def test_groups_are_drawn_whole() -> None:
    groups = np.repeat(np.arange(4), [1, 2, 3, 4])
    for weights in Draws(50, 3, groups).weights(10):
        assert weights.shape == (50, 10)
        for group in range(4):
            assert (np.ptp(weights[:, groups == group], axis=1) == 0).all()
        assert (weights[:, [0, 1, 3, 6]].sum(axis=1) == 4).all()


def test_rows_alone_in_their_groups_are_drawn_as_rows() -> None:
    one, other = (next(Draws(20, 1, g).weights(30)) for g in (None, np.arange(30)))
    assert (one == other).all()


def test_the_interval_of_few_positives_is_wider_than_the_percentiles() -> None:
    random, labels = np.random.default_rng(2), labels_of(5, 300)
    p = 1 / (1 + np.exp(-(random.normal(size=300) + labels)))
    both = np.stack([1 - p, p], axis=1)
    low, high = intervals(TWO, labels, both)["auc"]
    drawn = resampled(TWO, labels, [both])[0]["auc"]
    plain = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
    assert low < plain[0] - 0.02 and high > plain[1]


def test_the_interval_over_groups_covers_what_that_over_rows_does_not() -> None:
    """20 documents of 25 rows, of which some are easy and some hard."""
    random, groups = np.random.default_rng(5), np.repeat(np.arange(20), 25)
    covered = {True: 0, False: 0}
    for _ in range(100):
        shares = random.choice([0.5, 0.7, 0.9], 20)
        right = random.random(500) < shares[groups]
        p = np.where(right[:, None], [0.1, 0.9], [0.9, 0.1])
        for grouped in covered:
            draws = Draws(300, groups=groups if grouped else None)
            low, high = intervals(TWO, np.ones(500, int), p, draws)["accuracy"]
            covered[grouped] += low <= 0.7 <= high
    assert covered[True] >= 88
    assert stats.binomtest(covered[False], 100, 0.9, "less").pvalue < 0.01


def test_levels() -> None:
    assert Support.of_rows(100).level() == 0.95
    assert 0.95 < Support(20, 19, 20 / 19).level() < Support(5, 4, 1.25).level() < 1
