"""Does the cheaper step stay where the validation rows cannot tell it from the best?"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steep import runs
from steep.args import FitArgs
from steep.data.corpus import Data
from steep.data.load import load
from steep.options import make
from steep.shelf.auto.choose import VALID, Taken, best_and_kept
from steep.stages.fit import fit

ROWS = 60
Step = Callable[[str, Sequence[int]], Taken]


@pytest.fixture(scope="module")
def made(
    tiny_rows: list, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Data, Path]:
    """Data with 60 validation rows, and a fit of it."""
    folder = tmp_path_factory.mktemp("choose")
    path, out = folder / "tiny.csv", folder / "fit"
    pd.DataFrame(tiny_rows, columns=["id", "text", "label"]).to_csv(path, index=False)
    args = make(
        FitArgs,
        model=str(tiny_bert),
        label="label",
        valid_share=ROWS / 200,
        epochs=1,
        max_length=32,
        device="cpu",
    )
    data = load(path, args.table, args.split)
    assert len(data.valid) == ROWS
    return data, fit(data, out=out, args=args)


@pytest.fixture
def step(made: tuple[Data, Path], tmp_path: Path) -> Step:
    """A step of this name whose model is wrong on these validation rows."""
    data, fitted = made

    def step(name: str, wrong: Sequence[int]) -> Taken:
        folder = tmp_path / name
        shutil.copytree(fitted, folder)
        table, labels = pd.read_csv(folder / VALID, dtype=str), data.valid.labels().copy()
        labels[list(wrong)] = 1 - labels[list(wrong)]
        for number, label in enumerate(data.labelled().labels):
            table[f"p_{label}"] = np.where(labels == number, 0.9, 0.1)
        table["predicted"] = [data.labelled().labels[one] for one in labels]
        table.to_csv(folder / VALID, index=False)
        results = runs.read_json(folder / runs.RESULTS)
        results["valid"]["metrics"]["accuracy"]["value"] = 1 - len(wrong) / ROWS
        return Taken(name, folder, 1.0, results)

    return step


@pytest.mark.parametrize(
    ("cheap", "dear", "kept"),
    [
        (range(10), range(9, 18), "cheap"),  # 9 rows for it, 8 against: error of 4.1 rows
        (range(10), range(2), "dear"),  # 8 rows for it, none against: error of 2.6 rows
        (range(12), range(8, 18), "cheap"),  # 8 rows for it, 6 against: error of 3.7 rows
        (range(12), range(6, 14), "dear"),  # 6 rows for it, 2 against: error of 2.8 rows
        (range(9), range(9, 18), "cheap"),  # as many wrong
        (range(5), range(9), "cheap"),  # the cheap one is the best
    ],
)
def test_one_standard_error_of_the_difference_on_the_same_rows(
    made: tuple[Data, Path], step: Step, cheap: range, dear: range, kept: str
) -> None:
    taken = [step("cheap", cheap), step("dear", dear)]
    best, one = best_and_kept(taken, made[0])
    assert best.name == ("dear" if len(dear) < len(cheap) else "cheap")
    assert one.name == kept
