"""Are the metrics of bias those of the papers, also with ties, weights and empty groups?"""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from steep.shelf.bias.measures import (
    BNSP,
    BPSN,
    CALIBRATION,
    FNR,
    FPR,
    NEGATIVE_AEG,
    POSITIVE_AEG,
    SUBGROUP,
    Sample,
    challenge_score,
    power_mean,
    ranked,
    rates,
)


def on_all(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in found.items()}


def test_the_worked_example() -> None:
    """That of the test of Jigsaw's own code: harmless and toxic rows, outside and in the group."""
    scores = np.array([0.1, 0.2, 0.3, 0.21, 0.31, 0.55, 0.5, 0.8, 0.9, 0.4, 0.6, 0.71])
    truth = np.repeat([False, True], 6)
    group = np.tile(np.repeat([False, True], 3), 2)[:, None]
    found = on_all(ranked(scores, truth, group)(np.ones((1, 12))))
    assert found[SUBGROUP][0] == pytest.approx(8 / 9)
    assert found[BPSN][0] == pytest.approx(8 / 9)
    assert found[BNSP][0] == pytest.approx(1)
    assert found[POSITIVE_AEG][0] == pytest.approx(2 / 9 - 0.5)
    assert found[NEGATIVE_AEG][0] == pytest.approx(8 / 9 - 0.5)
    assert found[SUBGROUP][1] == pytest.approx(roc_auc_score(truth, scores))


@pytest.mark.parametrize("digits", [6, 1])
def test_random_data_as_scikit_learn_has_it(digits: int) -> None:
    """With one digit most scores are tied; groups overlap, and weights are repeated rows."""
    draw = np.random.default_rng(digits)
    truth, groups = draw.random(400) < 0.3, draw.random((400, 3)) < 0.3
    scores = np.round(draw.random(400) * 0.5 + truth * 0.2 + groups[:, 0] * 0.2, digits)
    counts = draw.integers(0, 4, 400)
    found = on_all(ranked(scores, truth, groups)(counts[None].astype(float)))
    rows = np.repeat(np.arange(400), counts)
    y, s = truth[rows], scores[rows]
    for i, inside in enumerate(groups[rows].T):
        for name, part in ((SUBGROUP, inside), (BPSN, inside ^ y), (BNSP, inside == y)):
            assert found[name][i] == pytest.approx(roc_auc_score(y[part], s[part])), name
        for name, part in ((POSITIVE_AEG, y), (NEGATIVE_AEG, ~y)):
            wanted = roc_auc_score(inside[part], s[part]) - 0.5
            assert found[name][i] == pytest.approx(wanted), name
    assert found[SUBGROUP][3] == pytest.approx(roc_auc_score(y, s))


def test_what_has_no_pairs_is_undefined() -> None:
    """A group without positives, one without rows, and one that holds all rows."""
    truth = np.array([True, True, False, False])
    groups = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1]], bool)
    found = on_all(ranked(np.array([0.9, 0.1, 0.5, 0.2]), truth, groups)(np.ones((1, 4))))
    assert np.isnan(found[SUBGROUP][:2]).all()
    assert found[BPSN][0] == pytest.approx(0.5)
    assert np.isnan(found[BNSP][:2]).all()
    assert np.isnan(found[POSITIVE_AEG][2])


def test_a_threshold_counts_what_reaches_it() -> None:
    """One of two harmless rows is a false alarm, one of three harmful ones is missed."""
    scores = np.array([0.5, 0.4, 0.9, 0.5, 0.1])
    truth = np.array([False, False, True, True, True])
    labels = np.array([0, 0.2, 1, 0.6, 0.5])
    sample = Sample(truth, labels, ("a",), np.ones((5, 1), bool))
    found = on_all(rates(scores, scores >= 0.5, sample)(np.ones((1, 5))))
    assert found[FPR] == pytest.approx([0.5, 0.5])
    assert found[FNR] == pytest.approx([1 / 3, 1 / 3])
    assert found[CALIBRATION] == pytest.approx([(2.4 - 2.3) / 5] * 2)


def test_the_generalised_mean_leans_to_the_worst() -> None:
    assert power_mean(np.array([0.95] * 8 + [0.8])) == pytest.approx(0.9236, abs=5e-5)
    assert power_mean(np.array([0.95] * 8 + [0.5])) == pytest.approx(0.734, abs=5e-4)
    assert power_mean(np.array([0.9, 0.0])) == 0
    assert np.isnan(power_mean(np.array([0.9, np.nan])))


def test_the_score_of_the_challenge() -> None:
    aucs = [np.full((1, 9), value) for value in (0.8, 0.9, 1.0)]
    assert challenge_score(np.array([0.7]), aucs) == pytest.approx([0.85])
