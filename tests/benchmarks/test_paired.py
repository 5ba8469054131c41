"""Are the lines of a measurement paired by seed, with corrected p-values?"""

from typing import Any

import numpy as np
import pytest

from benchmarks import paired
from steep.data.corpus import Task
from steep.study.verdict import CellResult


def cell(arm: str, seed: int, right: int, **more: Any) -> CellResult:
    wrong = np.arange(100) >= right
    return CellResult(arm, seed, 1.0, np.stack([wrong, ~wrong], axis=1).astype(float), **more)


def test_gains_are_paired_by_seed_and_p_values_corrected() -> None:
    cells = [cell("plain", seed, right) for seed, right in enumerate((50, 60, 70))]
    cells += [cell("good", seed, right) for seed, right in enumerate((71, 79, 90))]
    cells += [cell("same", seed, right) for seed, right in enumerate((49, 61, 70))]
    cells += [cell("lost", seed, 50, diverged=True) for seed in range(3)]
    task = Task("single", ("no", "yes"))
    found = paired.lines(task, np.ones(100, int), cells, "accuracy", "plain")
    good = found[1]
    assert good["gain"] == pytest.approx(0.2)
    assert good["low"] > 0
    assert good["p_holm"] == pytest.approx(2 * good["p_value"])
    assert found[2]["low"] < 0 < found[2]["high"]
    assert paired.gain(found[0]) == "–"
    assert paired.values(found[3]) == "diverged"
