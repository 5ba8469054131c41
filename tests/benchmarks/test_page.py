"""Does the page show what was measured?"""

from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.contest import Score
from benchmarks.summary import summary
from steep import runs


def made(tokens: int, seconds: float) -> Score:
    result = {"loss": 0.5, "memory": {"resident": 100.0}}
    return Score([(1, 99.0), (tokens, seconds), (tokens, 2 * seconds)], result)


def test_the_page_shows_what_was_measured(tmp_path: Path) -> None:
    scores = [{"stock": made(100, 1), "steep --plain": made(200, 1), "steep": made(300, 1)}]
    found = summary(scores, work=1e9, peak={"fp32": 1000.0})
    assert found["stock"]["steep_ratio"] == {"median": 3.0, "least": 3.0, "most": 3.0}
    assert found["steep --plain"]["steep_ratio"]["median"] == 1.5
    assert found["steep"]["share_of_peak"]["fp32"] == pytest.approx(0.225)
    case = {"stage": "fit", "precision": "fp32", "contestants": found}
    machine = {"gpu": None, "processor": "A chip", "cores": 2, "threads": 2, "memory_gb": 8}
    machine |= {"flags": ["avx2"], "versions": {"torch": "2"}}
    profiles = {"fit-25": {"best": {"gelu": 1.0, "a step": 9.0}, "steep": {"a step": 4.0}}}
    results = {"machine": machine, "cases": {"fit-25": case}, "profiles": profiles}
    shown = page.section("cpu", results)
    assert "A chip: 2 cores" in shown
    assert "| `fit-25` | stock | 75 | 3.00 (3.00..3.00) | 8% | 100 | 0.500 |" in shown
    share = "|  | steep --plain | 150 | 1.50 (1.50..1.50) | 15% | 100 | 0.500 |\n"
    assert share in shown
    del found["steep --plain"]  # as in results that were measured before it took part
    assert page.section("cpu", results) == shown.replace(share, "")
    assert "| a step | 9.0 | 4.0 |\n| gelu | 1.0 | 0.0 |" in shown
    runs.write_json(tmp_path / "kills.json", {"kills": 20})  # results of another kind
    whole = page.rewritten(f"a\n{page.BEGIN}\nold\n{page.END}\nb\n", tmp_path)
    assert whole == f"a\n{page.BEGIN}\nNo results are kept yet.\n{page.END}\nb\n"
