"""Does the forecast say no more than the studies that it knows?"""

import pytest

from steep.study.evidence import Finding, known
from steep.study.forecast import forecast, together


def made(
    *gains: float, error: float = 0.5, labels: int = 100, own_head: bool = False
) -> tuple[Finding, ...]:
    wide = 1.96 * error
    return tuple(
        Finding(f"made {i}", labels, own_head, g, g - wide, g + wide) for i, g in enumerate(gains)
    )


def test_the_interval_of_all_studies_decides() -> None:
    answers = {
        (3.0, 2.0): "unknown",  # too few
        (3.0, 2.0, 2.5): "likely",
        (0.0, 0.2, -0.2): "unknown",  # 1 is within 0 -/+ 1.24: three say little of how they differ
        (-0.3, -0.1, -0.5): "unlikely",
        (0.6, 0.4, 0.5): "unknown",  # 0 and a point are both within +0.5 -/+ 1.24
        (3.0, -3.0, 0.0): "unknown",  # they contradict each other
    }
    for gains, answer in answers.items():
        assert forecast(100, False, made(*gains)).answer == answer, gains
    assert forecast(100, False, made(0.0, 0.2, -0.2, error=3)).answer == "unknown"


def test_only_studies_like_this_one_count() -> None:
    studies = made(3, 3, 3, labels=100) + made(0, 0, 0, error=0.3, labels=1000)
    assert [forecast(n, False, studies).answer for n in (40, 60, 200, 300, 600, 2000, 2100)] == [
        "unknown",
        "likely",
        "likely",
        "unknown",
        "unlikely",
        "unlikely",
        "unknown",
    ]
    other = forecast(100, True, studies)
    assert other.answer == "unknown" and "hold 0 studies" in str(other)
    assert "+3.0 points (+1.8 to +4.2) in the 3 studies" in str(forecast(100, False, studies))


def test_budgets_of_one_study_are_one_study() -> None:
    """They share step 2 and test rows, so that three of them say what one does."""
    one = [
        Finding("mine", labels, True, gain, gain - 2, gain + 2)
        for labels, gain in ((50, 3.0), (100, 3.4), (200, 2.9))
    ]
    found = forecast(100, True, one)
    assert found.answer == "unknown" and "hold 1 study" in str(found)
    others = made(3.4, 3.4, own_head=True)
    assert "+3.4 points" in str(forecast(100, True, (*one, *others))), "that with 100 labels"


def test_together_as_the_textbook_has_it() -> None:
    # One standard error for all: the plain mean; q = 8, two degrees of freedom, scale 2, so that
    # the variance between studies is (8 - 2) / 2 = 3 and the error sqrt((1 + 3) / 3). What is left
    # of the spread, 8 / 4 / 2, is 1, and t has two degrees of freedom (Hartung & Knapp 2001).
    gain, low, high = together(list(made(0, 2, 4, error=1)))
    assert gain == pytest.approx(2)
    assert high - gain == gain - low == pytest.approx(4.302653 * (4 / 3) ** 0.5)
    # Four that agree by luck are not narrower than their variances make them.
    _, low, high = together(list(made(1, 1, 1, 1, error=1)))
    assert (high - low) / 2 == pytest.approx(3.182446 * 0.5)
    exact, rough = made(0, error=0.1)[0], made(5, error=10)[0]
    assert together([exact, rough])[0] == pytest.approx(5 * 0.01 / (100 + 0.01))


def test_the_evidence_is_that_of_the_page_of_results() -> None:
    studies = known()
    assert forecast(500, False, studies).answer == "unlikely"
    assert forecast(500, True, studies).answer == "unknown"
    assert len({(study.name, study.labels) for study in studies}) == len(studies)
