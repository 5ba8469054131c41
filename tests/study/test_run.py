"""Do the arms of a study differ in the encoder's weights, and in nothing else?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertForMaskedLM

import steep
from steep.args import FitArgs
from steep.data.corpus import Data
from steep.models.checkpoints import load_masked_lm
from steep.study.design import Cell
from steep.study.run import Outcome, run

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


@pytest.fixture
def data(tiny_csv: Path) -> Data:
    return steep.read(tiny_csv, text="text", label="label")


@pytest.fixture
def args(tiny_bert: Path) -> FitArgs:
    return FitArgs(
        model=str(tiny_bert), max_length=32, epochs=2, learning_rate=2e-3, precision="fp32"
    )


@pytest.fixture
def adapted(tiny_bert: Path, tmp_path: Path) -> Path:
    """The tiny BERT as 'steep adapt' saves it, unchanged."""
    load_masked_lm(tiny_bert, "eager", 0).save(tmp_path / "adapted")
    return tmp_path / "adapted"


def of(
    arm: str, seed: int, data: Data, adapted: Path, args: FitArgs, labels: int | None = None
) -> Outcome:
    assert data.test is not None
    encoder = adapted if arm == "adapted" else None
    return run(Cell(arm, seed, labels), data, data.test, encoder, args)


def test_an_encoder_that_was_not_changed_changes_nothing(
    data: Data, adapted: Path, args: FitArgs
) -> None:
    torch.manual_seed(1)
    base = of("base", 3, data, adapted, args)
    torch.manual_seed(2)
    same = of("adapted", 3, data, adapted, args)
    np.testing.assert_array_equal(base.test, same.test)
    assert base.facts["valid"] == same.facts["valid"]
    other = of("base", 4, data, adapted, args)
    assert not np.array_equal(base.test, other.test)


def test_a_folder_without_pooler_leaves_the_base_pooler(
    data: Data, tmp_path: Path, args: FitArgs, tiny_bert: Path
) -> None:
    BertForMaskedLM.from_pretrained(tiny_bert).save_pretrained(tmp_path / "plain")
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "plain")
    base, same = (of(arm, 3, data, tmp_path / "plain", args) for arm in ("base", "adapted"))
    np.testing.assert_array_equal(base.test, same.test)


def test_an_adapted_encoder_is_used(
    data: Data, adapted: Path, args: FitArgs, tiny_bert: Path
) -> None:
    lm = load_masked_lm(tiny_bert, "eager", 0)
    for parameter in lm.model.base_model.parameters():
        parameter.data += 0.1
    lm.save(adapted)
    base, moved = (of(arm, 3, data, adapted, args) for arm in ("base", "adapted"))
    assert not np.allclose(base.test, moved.test)


def test_a_cell_uses_the_label_budget_of_its_seed(
    data: Data, adapted: Path, args: FitArgs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steep.train import classify

    seen, train = [], classify.train

    def watched(learn, data, *rest):
        seen.append(data.train.rows().tolist())
        return train(learn, data, *rest)

    monkeypatch.setattr(classify, "train", watched)
    for arm, seed in (("base", 0), ("adapted", 0), ("base", 1)):
        of(arm, seed, data, adapted, replace(args, epochs=1), labels=20)
    assert [len(rows) for rows in seen] == [20, 20, 20]
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize("arm", ["tfidf", "base"])
def test_a_cell_tells_scores_of_validation_and_test(
    data: Data, adapted: Path, args: FitArgs, arm: str
) -> None:
    outcome = of(arm, 0, data, adapted, args)
    assert outcome.facts.keys() == FACTS
    assert outcome.test.shape == (len(data.test), 2)
    truth = data.test.labels()
    right = float((outcome.test.argmax(1) == truth).mean())
    assert outcome.facts["test"]["accuracy"] == pytest.approx(right)
    assert outcome.facts["valid"]["accuracy"] > 0.4
    assert len(outcome.facts["history"]) == (2 if arm == "base" else 0)


@pytest.mark.parametrize("arm", ["tfidf", "base"])
def test_nothing_is_chosen_by_the_test_rows(
    data: Data, adapted: Path, args: FitArgs, arm: str
) -> None:
    """Without them in the data, and with others to predict, the same model comes out."""
    known = of(arm, 0, data, adapted, args)
    assert data.test is not None
    blind = replace(data, test=None)
    same = run(Cell(arm, 0), blind, data.test, None, args)
    np.testing.assert_array_equal(same.test, known.test)
    other = run(Cell(arm, 0), blind, data.train, None, args)
    for name in ("valid", "history"):
        without_clock = [
            [{k: v for k, v in line.items() if k != "seconds"} for line in found]
            if isinstance(found := outcome.facts[name], list)
            else found
            for outcome in (known, same, other)
        ]
        assert without_clock[0] == without_clock[1] == without_clock[2]


@pytest.mark.parametrize("batch_size", [32, 512])
def test_a_cell_that_diverges_is_kept_as_such(
    data: Data, adapted: Path, args: FitArgs, batch_size: int
) -> None:
    wild = replace(args, learning_rate=1e30, warmup=0.0, batch_size=batch_size)
    outcome = of("base", 0, data, adapted, wild)
    assert outcome.facts["diverged"]
    assert outcome.facts["test"] == {}
    assert not np.isfinite(outcome.test).any()
