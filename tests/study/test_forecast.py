"""Does the forecast say no more than the studies that it knows?"""

from steep.study.forecast import EVIDENCE, Study, forecast


def made(*outcomes: bool, labels: int = 100, own_head: bool = False) -> tuple[Study, ...]:
    return tuple(Study("made", labels, 1e6, own_head, paid) for paid in outcomes)


def test_more_than_half_of_two_or_more_is_likely_and_none_unlikely() -> None:
    answers = {
        (True,): "unknown",
        (False,): "unknown",
        (True, True): "likely",
        (True, True, False): "likely",
        (True, False): "unknown",
        (False, False): "unlikely",
    }
    for outcomes, answer in answers.items():
        assert forecast(100, False, made(*outcomes)).answer == answer, outcomes


def test_only_studies_like_this_one_count() -> None:
    known = made(True, True, labels=100) + made(False, False, labels=1000)
    assert [forecast(n, False, known).answer for n in (40, 60, 200, 300, 600, 2000, 2100)] == [
        "unknown",
        "likely",
        "likely",
        "unknown",
        "unlikely",
        "unlikely",
        "unknown",
    ]
    assert forecast(100, True, known).answer == "unknown", "another kind of checkpoint"
    assert "in 2 of the 2 studies" in str(forecast(100, False, known))


def test_the_evidence_is_that_of_the_page_of_results() -> None:
    assert forecast(500, False).answer == "unlikely"
    assert forecast(500, True).answer == "unknown"
    assert len({(study.name, study.labels) for study in EVIDENCE}) == len(EVIDENCE)
