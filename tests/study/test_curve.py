"""Is step 2 counted in labels only where the curve allows it?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from steep.args.pretraining import PriceArgs
from steep.study.label_curve import labels_worth, more_labels
from steep.study.verdict_words import _more_labels, in_money


def part(labels: int | None, base: float | None, adapted: float | None) -> dict[str, Any]:
    return {"labels": labels, "arms": {"base": {"mean": base}, "adapted": {"mean": adapted}}}


def test_between_two_budgets_it_is_linear_in_the_logarithm() -> None:
    found = labels_worth([part(100, 0.6, 0.7), part(400, 0.8, 0.8)], True)
    assert found == [{"at": 100, "labels": 100, "beyond": None}]  # 200 = sqrt(100 x 400)


def test_lower_may_be_better() -> None:
    found = labels_worth([part(100, 0.4, 0.3), part(400, 0.2, 0.1)], False)
    assert found[0] == {"at": 100, "labels": 100, "beyond": None}
    assert found[1] == {"at": 400, "labels": None, "beyond": 400}


@pytest.mark.parametrize(
    "parts",
    [
        [part(100, 0.6, 0.7)],
        [part(100, 0.6, 0.7), part(None, 0.8, 0.9)],
        [part(100, 0.6, 0.7), part(200, 0.6, 0.7)],
        [part(100, None, 0.7), part(200, 0.6, 0.7)],
        [part(100, 0.6, 0.6), part(200, 0.7, 0.6)],
    ],
    ids=["one budget", "all labels", "flat", "diverged", "no gain"],
)
def test_where_nothing_can_be_read_off_nothing_is_said(parts: list[dict[str, Any]]) -> None:
    assert labels_worth(parts, True) == []


COUNTS = np.array([50, 100, 200, 400])


def runs(
    truth: Callable[[Any], Any], labels: float, noise: float, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Base of five seeds on the curve `truth`, and adapted as good as with so many `labels`."""
    spread = draw.normal(size=(5, 5, 1)) * noise + draw.normal(size=(1, 1, 300)) * noise
    base = truth(COUNTS)[None, :, None] + spread[:, :4]
    return base, truth(labels) + spread[:, 4]


CURVES: dict[str, Callable[[Any], Any]] = {
    "log": lambda n: 0.3 + 0.08 * np.log(n),
    "power": lambda n: 0.9 - 2.0 * n**-0.5,
}


@pytest.mark.parametrize("name", CURVES)
def test_the_range_holds_the_truth_and_narrows_with_the_noise(name: str) -> None:
    widths = []
    for noise in (0.004, 0.0001):
        base, adapted = runs(CURVES[name], 700, noise, np.random.default_rng(0))
        found = more_labels(COUNTS, base, adapted, 0)
        assert found is not None and found["at"] == 400 and found["beyond"] == 1200
        assert found["low"] <= 300 <= found["high"]
        widths.append(found["high"] - found["low"])
    assert widths[1] < widths[0]


def test_beyond_four_times_the_labels_nothing_is_said() -> None:
    base, adapted = runs(CURVES["log"], 5000, 0.0001, np.random.default_rng(0))
    found = more_labels(COUNTS, base, adapted, 0)
    assert found is not None and (found["low"], found["high"]) == (None, None)
    assert "is worth more than 1,200 more labels" in _more_labels(found)
    assert "about 10 to 90 more" in _more_labels(found | {"low": 10, "high": 90})
    assert "10 more labels or above 1,200" in _more_labels(found | {"low": 10, "high": None})


def test_a_curve_that_cannot_be_fitted_is_refused() -> None:
    base, adapted = runs(CURVES["log"], 700, 0.0001, np.random.default_rng(0))
    assert more_labels(COUNTS[1:], base[:, 1:], adapted, 0) is None, "three budgets"
    assert more_labels(COUNTS, base[:, ::-1], adapted, 0) is None, "base falls with labels"
    assert more_labels(COUNTS, base, base[:, -1] - 0.01, 0) is None, "no gain"


def test_resamples_without_the_metric_do_not_count() -> None:
    """An AUC of few positives is undefined on some resamples; one of them hid that step 2 harms."""
    base, adapted = runs(CURVES["log"], 700, 0.0001, np.random.default_rng(0))
    whole = more_labels(COUNTS, base, adapted, 0)
    base[0, 2, 5] = adapted[1, 7] = np.nan
    found = more_labels(COUNTS, base, adapted, 0)
    assert found is not None and whole is not None
    assert found["low"] == pytest.approx(whole["low"], rel=0.05)
    assert more_labels(COUNTS, base, base[:, -1] - 0.01, 0) is None, "no gain"
    assert more_labels(COUNTS, base * np.nan, adapted, 0) is None


def test_prices_are_only_those_of_the_user() -> None:
    more = {"at": 400, "low": 100, "high": 300, "beyond": 1200}
    study = {"cost": {"step2_seconds": 1800.0}, "more_labels": more}
    assert in_money(study, PriceArgs()) == ""
    both = PriceArgs(label_price=0.5, hour_price=3.0)
    said = " At your prices step 2 cost 1.50 and as many labels from 50.00 to 150.00."
    assert in_money(study, both) == said
    none = in_money(study | {"more_labels": more | {"low": 0}}, both)
    assert "as many labels from 0.00 to 150.00" in none
    assert "as many labels from 0.00." in in_money(
        study | {"more_labels": more | {"low": 0, "high": None}}, both
    )
    far = more | {"low": None, "high": None}
    assert "labels over 600.00" in in_money(study | {"more_labels": far}, both)
    assert "is not known" in in_money(study | {"more_labels": None}, both)
