"""Do the arms of a study differ in the encoder's weights, and in nothing else?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertForMaskedLM

from steep import runs
from steep.args import CompareArgs, DataArgs, MachineArgs, TuneArgs
from steep.args.pretraining import StudyTextArgs
from steep.data.budget import within
from steep.data.corpus import Corpus, Data
from steep.data.load import load
from steep.errors import SteepError
from steep.models.devices import choose
from steep.models.masked_lm import load_masked_lm
from steep.options import change, make
from steep.study.arms import CellInput, built_in_arms
from steep.study.cells import (
    CellJob,
    Outcome,
    _job,
    run_cell,
    step2_tokens,
    tokens_of_pass,
    with_tokens,
)
from steep.study.compare import prepared
from steep.study.design import Cell, Study
from steep.train import classify
from tests.conftest import overflowing

FACTS = {"epochs", "seconds", "diverged", "valid", "test", "history"}


@pytest.fixture(autouse=True, scope="module")
def one_core() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


TUNE = make(TuneArgs, max_length=32, epochs=2, learning_rate=2e-3)
ARMS = {arm.name: arm for arm in built_in_arms(StudyTextArgs())}


@pytest.fixture
def data(tiny_csv: Path) -> Data:
    how = make(DataArgs, text="text", label="label")
    return load(tiny_csv, how.table, how.split)


@pytest.fixture
def common(data: Data, tiny_bert: Path) -> CellInput:
    assert data.test is not None
    machine = MachineArgs(precision="fp32")
    return CellInput(data, data.test, str(tiny_bert), "accuracy", machine)


@pytest.fixture
def adapted(tiny_bert: Path, tmp_path: Path) -> Path:
    """The tiny BERT as 'steep adapt' saves it, unchanged."""
    load_masked_lm(tiny_bert, "eager", 0).save(tmp_path / "adapted")
    return tmp_path / "adapted"


def of(
    common: CellInput,
    arm: str,
    seed: int,
    encoder: Path | None = None,
    tune: TuneArgs = TUNE,
    labels: int | None = None,
) -> Outcome:
    return run_cell(common, CellJob(Cell(arm, seed, labels), ARMS[arm], encoder, tune))


def test_an_encoder_that_was_not_changed_changes_nothing(common: CellInput, adapted: Path) -> None:
    torch.manual_seed(1)
    base = of(common, "base", 3)
    torch.manual_seed(2)
    same = of(common, "adapted", 3, adapted)
    np.testing.assert_array_equal(base.test, same.test)
    assert base.facts["valid"] == same.facts["valid"]
    other = of(common, "base", 4)
    assert not np.array_equal(base.test, other.test)


def test_a_folder_without_pooler_leaves_the_base_pooler(
    common: CellInput, tmp_path: Path, tiny_bert: Path
) -> None:
    BertForMaskedLM.from_pretrained(tiny_bert).save_pretrained(tmp_path / "plain")
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "plain")
    base, same = of(common, "base", 3), of(common, "adapted", 3, tmp_path / "plain")
    np.testing.assert_array_equal(base.test, same.test)


def test_an_adapted_encoder_is_used(common: CellInput, adapted: Path, tiny_bert: Path) -> None:
    lm = load_masked_lm(tiny_bert, "eager", 0)
    for parameter in lm.model.base_model.parameters():
        parameter.data += 0.1
    lm.save(adapted)
    base, moved = of(common, "base", 3), of(common, "adapted", 3, adapted)
    assert not np.allclose(base.test, moved.test)


def test_a_cell_uses_the_label_budget_of_its_seed(
    common: CellInput, adapted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steep.train import classify

    seen, train = [], classify.train

    def watched(learn, data, *rest):
        seen.append(data.train.rows().tolist())
        return train(learn, data, *rest)

    monkeypatch.setattr(classify, "train", watched)
    once = change(TUNE, {"epochs": 1})
    for arm, seed, encoder in (("base", 0, None), ("adapted", 0, adapted), ("base", 1, None)):
        of(common, arm, seed, encoder, once, labels=20)
    assert [len(rows) for rows in seen] == [20, 20, 20]
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize("arm", ["tfidf", "base"])
def test_a_cell_tells_scores_of_validation_and_test(common: CellInput, arm: str) -> None:
    outcome = of(common, arm, 0)
    assert outcome.facts.keys() == FACTS
    assert outcome.test.shape == (len(common.test), 2)
    truth = common.test.labels()
    right = float((outcome.test.argmax(1) == truth).mean())
    assert outcome.facts["test"]["accuracy"] == pytest.approx(right)
    assert outcome.facts["valid"]["accuracy"] > 0.4
    assert len(outcome.facts["history"]) == (2 if arm == "base" else 0)


@pytest.mark.parametrize("arm", ["tfidf", "base"])
def test_nothing_is_chosen_by_the_test_rows(common: CellInput, data: Data, arm: str) -> None:
    """Without them in the data, and with others to predict, the same model comes out."""
    known = of(common, arm, 0)

    def blind(test: Corpus) -> Outcome:
        return of(replace(common, data=replace(data, test=None), test=test), arm, 0)

    same, other = blind(common.test), blind(data.train)
    np.testing.assert_array_equal(same.test, known.test)
    for name in ("valid", "history"):
        without_clock = [
            [{k: v for k, v in line.items() if k != "seconds"} for line in found]
            if isinstance(found := outcome.facts[name], list)
            else found
            for outcome in (known, same, other)
        ]
        assert without_clock[0] == without_clock[1] == without_clock[2]


@pytest.mark.parametrize("batch_size", [32, 512])
def test_a_cell_that_diverges_is_kept_as_such(common: CellInput, batch_size: int) -> None:
    wild = overflowing(change(TUNE, {"batch_size": batch_size}))
    outcome = of(common, "base", 0, tune=wild)
    assert outcome.facts["diverged"]
    assert outcome.facts["test"] == {}
    assert not np.isfinite(outcome.test).any()


SHORT = make(TuneArgs, max_length=16, epochs=2)


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
    batches = classify.learner(asked.data, tiny_bert, SHORT, machine, 0).dls.train
    read = sum(int(batch[0][..., 1, :].sum()) for batch in batches)
    assert tokens_of_pass(SHORT, asked.data, str(tiny_bert)) == read
    windows = change(SHORT, {"truncation": "sliding-mean"})
    assert tokens_of_pass(windows, asked.data, str(tiny_bert)) >= read


def test_epochs_are_those_of_base_and_of_the_tokens_of_step_2(
    asked: Study, tiny_bert: Path
) -> None:
    one, few = tokens_of_pass(SHORT, asked.data, str(tiny_bert)), within(asked.data, 20, 0)
    for tokens, epochs in ((1, 3), (one, 3), (one + 1, 4), (10 * one, 12)):
        assert with_tokens(SHORT, asked.data, str(tiny_bert), tokens).epochs.epochs == epochs
    assert with_tokens(SHORT, few, str(tiny_bert), one).epochs.count > 5  # fewer rows: more epochs


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
