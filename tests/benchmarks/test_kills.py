"""Does a command that is killed again and again end with the weights of one that never was?"""

from pathlib import Path

import pytest

from benchmarks.kills import AIMS, TINY, contest, tiny_commands
from steep import runs


@pytest.mark.parametrize("stage", ["fit", "compare"])  # adapt is a part of compare
def test_three_kills_change_nothing(stage: str, tmp_path: Path) -> None:
    command = tiny_commands(tmp_path)[[*TINY].index(stage)]
    seen = contest(command, list(AIMS), 0, tmp_path)
    assert [kill["aim"] for kill in seen["kills"]] == list(AIMS)
    assert all(seen["equal"])
    assert all(set(kill["files"]) <= {runs.SAVE, f"{runs.SAVE}.partial"} for kill in seen["kills"])
    assert seen["left"] == []
