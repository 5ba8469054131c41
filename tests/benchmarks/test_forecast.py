"""Is the forecast tested on data sets that it has not seen, and is that what the page says?"""

from pathlib import Path

from benchmarks.forecast import left_out, right, table
from steep.study.evidence import Finding, known

PAGE = Path(__file__).parents[2] / "docs" / "advice.md"


def found(name: str, gain: float) -> Finding:
    return Finding(name, 100, False, gain, gain - 0.5, gain + 0.5)


def test_a_data_set_does_not_forecast_itself() -> None:
    same = [found(f"IMDb, {length} tokens", 3.0) for length in (64, 128, 256)]
    others = [found(name, -1.0) for name in ("a", "b", "c")]
    assert left_out(same[0], same) == "unknown", "of the same data set"
    assert left_out(same[0], [*same, *others]) == "unlikely"
    assert left_out(others[0], [*same, *others]) != "unlikely"


def test_an_answer_is_held_against_the_gain() -> None:
    assert right("likely", 0.1) and not right("likely", -0.1)
    assert right("unlikely", 0.9) and not right("unlikely", 1.1)
    studies = [
        found(name, gain) for name, gain in zip("abcd", (-1.0, -1.0, -1.0, 3.0), strict=True)
    ]
    lines = table(studies).splitlines()
    assert lines[5] == "| d | 100 | no | unlikely | +3.0 (+2.5 to +3.5) | no | no |"
    assert "Of 4 studies 1 got an answer, 0 of them the right one" in lines[-1]


def test_the_page_has_the_table_of_the_packaged_evidence() -> None:
    assert table(known()) in PAGE.read_text(encoding="utf-8"), "python -m benchmarks.forecast"
