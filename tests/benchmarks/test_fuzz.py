"""Do the first inputs of the fuzz run end in success, or in a message for the user?"""

from pathlib import Path

import datasets
import pytest

from benchmarks.fuzz import run_inputs


def test_thirty_inputs_end_in_success_or_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found = run_inputs(tmp_path / "faults", 0, range(30), minutes=10)
    assert found.faults == []
    assert found.ended.total() == 30
    assert {how.split()[-1] for how in found.ended} == {"0", "2"}
