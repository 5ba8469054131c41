"""Does a command that is killed again and again end with the weights of one that never was?"""

from pathlib import Path

import pytest

from benchmarks.kills import AIMS, contest
from steep import runs

OPTIONS = "--precision fp32 --device cpu --max-length 32 --save-every 0.0001"
STAGES = {
    "adapt": "adapt --epochs 6 --batch-tokens 256 --masking word",
    "fit": "fit --label label --epochs 6 --batch-size 16 --gradient-accumulation-steps 2"
    " --unfreeze gradual",
}


@pytest.mark.parametrize("stage", STAGES)
def test_three_kills_change_nothing(
    stage: str, tiny_bert: Path, tiny_csv: Path, tmp_path: Path
) -> None:
    options = [*STAGES[stage].split(), *OPTIONS.split(), "--model", str(tiny_bert), str(tiny_csv)]
    seen = contest(options, list(AIMS), 0, tmp_path)
    assert [kill["aim"] for kill in seen["kills"]] == list(AIMS)
    assert all(seen["equal"])
    assert all(set(kill["files"]) <= {runs.SAVE, f"{runs.SAVE}.partial"} for kill in seen["kills"])
    assert seen["left"] == []
