"""Does the headline of a model say whether it learnt anything?"""

from typing import Any

import numpy as np
import pytest

from steep.data.corpus import Task
from steep.metrics.summary import (
    CONSTANT,
    COUNTS,
    behind,
    beside,
    constant,
    headline,
    own_value,
)

Numbers = tuple[float | None, float | None, float | None, float | None]
NONE: Numbers = (None, None, None, None)


def compared(
    counts: Numbers, constant: Numbers, metric: str = "accuracy", skill: bool = True
) -> dict[str, Any]:
    """As `beside` gives it, of value, gain, low and high."""
    keys = ("value", "gain", "low", "high")
    given = {"constant": constant, "word_counts": counts}
    baselines = {name: dict(zip(keys, one, strict=True)) for name, one in given.items()}
    return {"metric": metric, "skill": skill, "baselines": baselines}


LEAST: Numbers = (0.25, 0.592, 0.5, 0.7)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            compared((0.688, 0.154, 0.110, 0.198), LEAST),
            "Better than word counts: accuracy 0.842, 0.154 above word counts (0.110 to 0.198)",
        ),
        (
            compared((0.832, 0.01, -0.02, 0.04), LEAST),
            "No clear difference from word counts: accuracy 0.842, 0.010 above word counts "
            "(−0.020 to 0.040)",
        ),
        (
            compared((0.942, -0.1, -0.15, -0.05), LEAST),
            "Worse than word counts: accuracy 0.842, 0.100 below word counts (0.050 to 0.150)",
        ),
        (
            compared((1.5, 0.5, 0.25, 0.75), (2.0, 1.0, 0.5, 1.5), "rmse"),
            "Better than word counts: RMSE 1.000, 0.500 below word counts (0.250 to 0.750)",
        ),
        (
            compared(NONE, LEAST),
            "Better than always predicting the most frequent class: accuracy 0.842, 0.592 above "
            "always predicting the most frequent class (0.500 to 0.700)",
        ),
        (
            compared((0.57, -0.31, -0.4, -0.2), (0.25, 0.01, -0.02, 0.04), skill=False),
            "Not clearly better than chance: accuracy 0.260; always predicting the most frequent "
            "class has 0.250",
        ),
        (
            compared((0.57, -0.35, -0.4, -0.2), (0.25, -0.03, -0.06, 0.04), skill=False),
            "Nothing was learnt: accuracy 0.220; always predicting the most frequent class has "
            "0.250",
        ),
        (compared(NONE, NONE, "auc", skill=False), "Nothing was learnt"),
        (compared(NONE, NONE, "auc"), ""),
    ],
)
def test_the_headline(found: dict[str, Any], said: str) -> None:
    assert headline(found) == said


def test_what_is_worse_than_word_counts_is_behind() -> None:
    assert behind(compared((0.942, -0.1, -0.15, -0.05), LEAST))
    assert behind(compared(NONE, NONE, skill=False))
    assert not behind(compared((0.832, -0.01, -0.04, 0.02), LEAST))
    assert not behind({"metric": "accuracy", "skill": True, "baselines": {}})


def test_the_own_value_is_that_of_the_metric_not_of_its_gain() -> None:
    assert own_value(compared((1.5, 0.5, 0.25, 0.75), NONE, "rmse")) == 1.0
    assert own_value(compared(NONE, NONE)) is None


def test_a_rank_correlation_needs_no_constant_to_show_skill() -> None:
    task, truth = Task("regression", ("y",)), np.linspace(0, 1, 60)
    known = {CONSTANT: (task, constant(task, truth, 60))}
    good, bad = (
        beside(truth, (task, one[:, None]), known, "spearman") for one in (truth, 0 * truth)
    )
    assert good["skill"] and not bad["skill"]
    assert good["baselines"][CONSTANT]["gain"] is None


def test_each_is_decided_by_its_own_thresholds() -> None:
    """The model has F1 1 by its thresholds of 0.2, where 0.5 would find nothing."""
    truth = np.tile([[1, 0], [0, 1]], (20, 1))
    plain, eased = (Task("multi", ("a", "b"), thresholds=given) for given in ((), (0.2, 0.2)))
    outputs = truth * 0.3 + 0.1
    known = {COUNTS: (plain, outputs), CONSTANT: (plain, constant(plain, truth, 40))}
    found = beside(truth, (eased, outputs), known, "macro_f1")
    assert own_value(found) == pytest.approx(1)
    assert found["baselines"][COUNTS]["value"] == 0
