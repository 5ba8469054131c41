"""Does a plain fit stay where the validation rows cannot tell it from the best step?"""

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
    ("fit_wrong", "other_wrong", "kept"),
    [
        (range(10), range(9, 18), "fit"),  # 9 rows for the other, 8 against: error of 4.1 rows
        (range(10), range(2), "other"),  # 8 rows for it, none against: error of 2.6 rows
        (range(12), range(8, 18), "fit"),  # 8 rows for it, 6 against: error of 3.7 rows
        (range(12), range(6, 14), "other"),  # 6 rows for it, 2 against: error of 2.8 rows
        (range(9), range(9, 18), "fit"),  # as many wrong
        (range(5), range(9), "fit"),  # it is the best
    ],
)
def test_another_step_must_be_ahead_by_an_error_of_the_difference_on_the_same_rows(
    made: tuple[Data, Path], step: Step, fit_wrong: range, other_wrong: range, kept: str
) -> None:
    steps = [step("fit", fit_wrong), step("other", other_wrong)]
    for taken in (steps, steps[::-1]):  # a frozen encoder comes first, step 2 afterwards
        best, one = best_and_kept(taken, made[0])
        if len(fit_wrong) != len(other_wrong):
            assert best.name == ("other" if len(other_wrong) < len(fit_wrong) else "fit")
        assert one.name == kept


def test_what_is_undefined_is_not_kept(made: tuple[Data, Path], step: Step) -> None:
    steps = [step("fit", range(2)), step("other", range(9))]
    steps[0].results["valid"]["metrics"].pop("accuracy")
    assert best_and_kept(steps, made[0])[1].name == "other"
