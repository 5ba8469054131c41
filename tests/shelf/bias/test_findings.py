"""Are intervals paired, stratified, clustered, and right for the worst of many groups?"""

import numpy as np
import pytest

from steep.metrics.weighted import Draws, Support
from steep.shelf.bias.findings import Scored, bands, centred, entry, findings, lowest
from steep.shelf.bias.measures import (
    BPSN,
    SUBGROUP,
    Sample,
    measured,
    power_mean,
    resamples,
    strata_of,
)


def drawn_sample(rows: int, seed: int, clusters: np.ndarray | None = None) -> Sample:
    draw = np.random.default_rng(seed)
    truth, groups = draw.random(rows) < 0.4, draw.random((rows, 4)) < 0.25
    return Sample(truth, truth.astype(float), ("a", "b", "c", "d"), groups, clusters)


def test_every_resample_has_the_rows_of_each_stratum() -> None:
    sample = drawn_sample(600, 0)
    strata = strata_of(sample)
    for weights in resamples(sample, Draws(50)):
        for stratum in np.unique(strata):
            assert (weights[:, strata == stratum].sum(axis=1) == (strata == stratum).sum()).all()
        assert (weights @ sample.truth == sample.truth.sum()).all()
    assert len(np.unique(strata)) > 4


def test_clusters_are_drawn_whole() -> None:
    clusters = np.repeat(np.arange(60), 5)
    sample = drawn_sample(300, 1, clusters)
    weights = np.concatenate([*resamples(sample, Draws(20))])
    for cluster in range(60):
        inside = weights[:, clusters == cluster]
        assert (inside == inside[:, :1]).all()
    assert (weights.max(axis=1) > 1).all()


def test_the_number_of_resamples_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = drawn_sample(200, 2)
    whole = np.concatenate([*resamples(sample, Draws(30, seed=4))])
    monkeypatch.setattr("steep.metrics.weighted.CELLS", 1400)
    assert (np.concatenate([*resamples(sample, Draws(30, seed=4))]) == whole).all()


def test_equal_arms_differ_by_nothing_and_a_shift_is_found() -> None:
    """The second arm pushes group a up: its BPSN falls, paired on the same resamples."""
    sample, draw = drawn_sample(2000, 3), np.random.default_rng(5)
    scores = draw.normal(size=2000) + 1.5 * sample.truth
    pushed = scores + 0.8 * sample.groups[:, 0]
    arms = [(one[None], one[None] > 1) for one in (scores, scores, pushed)]
    first, same, other = measured(sample, arms, Draws(200))
    supports = sample.supports()
    assert not np.nan_to_num(first[BPSN] - same[BPSN]).any()
    found = entry((other[BPSN] - first[BPSN])[..., 0], supports[BPSN][0])
    assert found["high"] is not None
    assert found["high"] < 0
    alone = entry(other[BPSN][..., 0], supports[BPSN][0])
    width = alone["high"] - alone["low"]
    assert found["high"] - found["low"] < width  # what both arms have in common falls out


def test_what_does_not_vary_has_no_interval() -> None:
    alike = np.ones((51, 1))
    assert entry(alike, Support.of_rows(50)) == {"value": 1.0, "low": None, "high": None}
    alike[0] = np.nan
    assert entry(alike, Support.of_rows(50))["value"] is None


def test_of_seeds_that_differ_no_interval_leaves_what_a_metric_can_be() -> None:
    """Of AUCs of 1, 1 and 0.9 the symmetric interval would end far above 1."""
    sample, draw = drawn_sample(400, 6), np.random.default_rng(7)
    scores = np.stack([sample.truth + noise * draw.normal(size=400) for noise in (0.2, 0.2, 0.9)])
    found = findings(sample, [Scored("model", scores, scores > 0.5)], Draws(100))["arms"][0]
    levels = [*found["means"].values(), found["overall"]["subgroup_auc"]]
    levels += [metrics[SUBGROUP] for metrics in found["by_group"].values()]
    assert max(one["high"] for one in levels) == 1.0
    assert all(0 <= one["low"] < one["value"] <= one["high"] <= 1 for one in levels)


def test_the_interval_of_the_worst_holds_the_worst() -> None:
    """Eight equal groups: the lowest estimate is too low by luck, the interval knows it."""
    held, naive, studies = 0, 0, 200
    draw = np.random.default_rng(0)
    for _ in range(studies):
        means = draw.normal(size=8)  # the true values are 0, the standard errors 1
        drawn = means + draw.normal(size=(400, 8))
        cells = np.concatenate([means[None], drawn])
        entries = [entry(cells[:, i : i + 1], Support.of_rows(500)) for i in range(8)]
        found = lowest(bands(entries, list(drawn.T)))
        held += found["low"] <= 0 <= found["high"]
        alone = entries[int(means.argmin())]
        naive += alone["low"] <= 0 <= alone["high"]
    assert held / studies >= 0.93
    assert naive / studies < 0.9


def test_the_interval_of_a_generalised_mean_is_not_too_low() -> None:
    """Eight groups of AUC 0.7, each known to 0.08: the mean leans to what is low by luck."""
    draw, held, plain, studies = np.random.default_rng(1), 0, 0, 300
    for _ in range(studies):
        known = 0.7 + 0.08 * draw.normal(size=8)
        resampled = known + 0.08 * draw.normal(size=(400, 8))
        cells = power_mean(np.concatenate([known[None], resampled]))[:, None]
        own, other = (entry(c, Support.of_rows(500)) for c in (cells, centred(cells)))
        plain += own["low"] <= 0.7 <= own["high"]
        held += other["low"] <= 0.7 <= other["high"]
    assert held / studies >= 0.91
    assert plain / studies < 0.85


def test_the_intervals_hold_the_truth() -> None:
    """A group of 60 rows: the AUC of two normals 1 apart is 0.76 in 95 of 100 samples, about."""
    held = 0
    for seed in range(150):
        draw = np.random.default_rng(seed)
        truth, group = np.tile([True, False], 150), np.arange(300) < 60
        scores = draw.normal(size=300) + truth
        sample = Sample(truth, truth.astype(float), ("a",), group[:, None])
        (one,) = measured(sample, [(scores[None], scores[None] > 0)], Draws(200, seed))
        found = entry(one[SUBGROUP][..., 0], sample.supports()[SUBGROUP][0])
        held += found["low"] <= 0.7602 <= found["high"]
    assert held / 150 >= 0.9
