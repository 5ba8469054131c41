"""Is it said in plain words, from the numbers of the verdict, how certain an answer is?"""

from typing import Any

import pytest

from steep.reports.blocks import Facts
from steep.reports.certainty import certainty_section

MAIN = {
    "arm": "adapted",
    "against": "base",
    "low": -0.01,
    "differences": [0.01] * 5,
    "probability": 0.9,
    "minimum_detectable": 0.025,
    "seeds_needed": 12,
    "bottleneck": "seeds",
    "se_seeds": 0.004,
    "se_rows": 0.002,
}


def told(smallest_effect: float = 0.0, **changed: Any) -> list[str]:
    found = {"metric": "macro_f1", "smallest_effect": smallest_effect}
    section = certainty_section(found | {"comparisons": [MAIN | changed]})
    assert section is not None
    (facts,) = section.blocks
    assert isinstance(facts, Facts)
    return [f"{name}: {value}" for name, value in facts.items]


def test_probability_detectable_gain_and_seeds_are_said() -> None:
    assert told() == [
        "Probability that step 2 brings any gain: 90 %",
        "Smallest gain in macro F1 that 8 of 10 studies of this size detect: 0.025",
        "Further seeds needed to detect the observed gain as reliably: 7 (12 seeds in all)",
        "Main source of uncertainty: the seeds (standard errors: seeds 0.004, rows 0.002)",
    ]
    assert "a gain above 0.010" in told(0.01)[0]


@pytest.mark.parametrize(
    ("needed", "bottleneck", "said"),
    [
        (5, "seeds", "none"),
        (None, "rows", "more test rows are needed"),
        (None, "seeds", "hundreds"),
    ],
)
def test_what_would_settle_it(needed: int | None, bottleneck: str, said: str) -> None:
    assert told(seeds_needed=needed, bottleneck=bottleneck)[2].endswith(said)


def test_no_probability_is_certain() -> None:
    assert told(probability=1.0)[0].endswith(": 99.9 %")
    assert told(probability=0.0)[0].endswith(": 0.1 %")


def test_without_an_interval_nothing_is_said() -> None:
    assert certainty_section({"metric": "accuracy", "comparisons": [MAIN | {"low": None}]}) is None
    assert certainty_section({"arms": {}}) is None
