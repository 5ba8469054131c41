"""Does the arm `longer` read as many tokens more as step 2 read, whatever the clock says?"""

from pathlib import Path

import pytest

from steep import runs
from steep.args import CompareArgs, TuneArgs
from steep.args.running import MachineArgs
from steep.data.budget import within
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import change, make
from steep.study.compare import prepared
from steep.study.design import Cell
from steep.study.equal_compute import step2_tokens, tokens_of_pass, with_tokens
from steep.study.study import Study
from steep.study.waves import _job
from steep.train import engine

TUNE = make(TuneArgs, max_length=16, epochs=2)


@pytest.fixture
def asked(tables: Path, tiny_bert: Path, tmp_path: Path) -> Study:
    """A study with the arm, in a folder in which step 2 is done."""
    options = {"arms": "base,adapted,longer", "label": "label", "seeds": 2, "max_length": 16}
    args = make(CompareArgs, model=str(tiny_bert), **options)
    (tmp_path / "adapted").mkdir()
    runs.write_json(tmp_path / "adapted" / runs.RESULTS, {"tokens": 5_000})
    return prepared(tables / "single.csv", tmp_path, args, ())


def test_a_pass_has_the_tokens_that_a_training_reads(asked: Study, tiny_bert: Path) -> None:
    machine = choose(MachineArgs(device="cpu", precision="fp32"))
    batches = engine.learner(asked.data, tiny_bert, TUNE, machine, 0).dls.train
    read = sum(int(batch[0][..., 1, :].sum()) for batch in batches)
    assert tokens_of_pass(TUNE, asked.data, str(tiny_bert)) == read
    windows = change(TUNE, {"truncation": "sliding-mean"})
    assert tokens_of_pass(windows, asked.data, str(tiny_bert)) >= read


def test_epochs_are_those_of_base_and_of_the_tokens_of_step_2(
    asked: Study, tiny_bert: Path
) -> None:
    one, few = tokens_of_pass(TUNE, asked.data, str(tiny_bert)), within(asked.data, 20, 0)
    for tokens, epochs in ((1, 3), (one, 3), (one + 1, 4), (10 * one, 12)):
        assert with_tokens(TUNE, asked.data, str(tiny_bert), tokens).epochs.epochs == epochs
    assert with_tokens(TUNE, few, str(tiny_bert), one).epochs.epochs > 5  # fewer rows: more epochs


def test_only_longer_gets_them_and_base_need_not_have_run(asked: Study) -> None:
    more = {arm: _job(Cell(arm, 0), asked, {}).more_tokens for arm in asked.design.names}
    assert more == {"base": 0, "adapted": 0, "longer": 5_000}


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ({}, "the key 'tokens' is missing"),
        ({"tokens": 0}, "the key 'tokens' must be a whole number, 1 or more, not 0"),
        ({"tokens": 2.5}, "the key 'tokens' must be a whole number, 1 or more, not 2.5"),
    ],
)
def test_a_step_2_that_does_not_say_is_named(
    tmp_path: Path, results: dict[str, float], told: str
) -> None:
    runs.write_json(tmp_path / runs.RESULTS, results)
    with pytest.raises(SteepError, match=told):
        step2_tokens(tmp_path)
