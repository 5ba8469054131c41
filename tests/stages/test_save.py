"""Is what fastai trained kept as a folder that `predict`, `report` and `pipeline` take?"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import pipeline

import steep
from steep.models.kernels import compute_of

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
SHORT = CPU | {"max_length": 32}


def trained(table: Path, model: Path, epochs: int = 1, **options: Any) -> Any:
    learn = steep.learner(table, model, **SHORT | options)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(epochs, 5e-3)
    learn.remove_cb(learn.progress)
    return learn


def test_a_learner_is_kept_as_a_folder(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    learn = trained(tables / "single.csv", tiny_bert, 2, label="label")
    out = steep.save(learn, tmp_path / "m")
    texts = list(pd.read_csv(tables / "single.csv")["text"].head(9))
    probabilities, _ = learn.get_preds(dl=learn.dls.test_dl(texts))
    found = steep.predict(out, texts, **CPU)
    assert np.allclose(found[["p_negative", "p_positive"]], probabilities, atol=1e-4)
    said = pipeline("text-classification", str(out), device="cpu")(texts)
    assert [one["label"] for one in said] == list(found["label"])
    results = json.loads((out / "results.json").read_text())
    assert results["valid"]["rows"] == 20 and results["test"]["rows"] == 40
    made = json.loads((out / "steep.json").read_text())
    assert made["args"]["max_length"] == 32 and "epochs" not in made["args"]
    assert steep.report(out).is_file() and (out / "README.md").is_file()
    with pytest.raises(steep.SteepError, match="is in use"):
        steep.save(learn, out)
    steep.save(learn, out, overwrite=True)


def test_a_learner_begins_as_the_fit_of_its_options(tables: Path, tiny_bert: Path) -> None:
    """It said that its head begins as class means, and left it as it was drawn."""
    learn = steep.learner(
        tables / "single.csv", tiny_bert, label="label", head_init="prototypes", **SHORT
    )
    norms = learn.model.model.pooled_head.weight.detach().norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(2))
    assert learn.model.training


def test_a_learner_that_recomputes_stays_plain_when_it_is_saved(
    tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    """The fast layers would draw other dropout in the recomputation."""
    learn = trained(tables / "single.csv", tiny_bert, label="label", gradient_checkpointing=True)
    steep.save(learn, tmp_path / "m")
    assert compute_of(learn.model.model) is None


def test_saving_does_not_draw_dropout_anew(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    learn = trained(tables / "single.csv", tiny_bert, label="label")
    before = compute_of(learn.model.model)
    steep.save(learn, tmp_path / "m")
    assert before is not None and compute_of(learn.model.model) is before


def test_a_regression_predicts_in_its_own_units(
    tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    learn = trained(tables / "regression.csv", tiny_bert, label="stars")
    before = {name: value.clone() for name, value in learn.model.state_dict().items()}
    wanted, _ = learn.get_preds(ds_idx=1)
    steep.save(learn, tmp_path / "m")
    assert all(torch.equal(before[name], value) for name, value in learn.model.state_dict().items())
    texts = list(learn.dls.valid_ds.corpus.table["text"])
    found = steep.predict(tmp_path / "m", texts, **CPU)
    assert np.allclose(found["stars"], wanted.flatten(), atol=1e-3)
    assert torch.equal(learn.get_preds(ds_idx=1)[0], wanted), "the learner is left as it was"


def test_adapters_of_peft_train_and_are_kept_once_merged(
    tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    learn = steep.learner(tables / "single.csv", tiny_bert, label="label", **SHORT)
    config = peft.LoraConfig(
        task_type="SEQ_CLS", r=4, target_modules=["query", "value"], modules_to_save=["pooled_head"]
    )
    learn.model.model = peft.get_peft_model(learn.model.model, config)
    before = {name: value.clone() for name, value in learn.model.named_parameters()}
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(2, 5e-3)
    learn.remove_cb(learn.progress)
    moved = {n for n, value in learn.model.named_parameters() if not torch.equal(value, before[n])}
    assert moved == {n for n, value in learn.model.named_parameters() if value.requires_grad}
    assert any("lora_A" in name for name in moved) and any("pooled_head" in name for name in moved)
    wanted, _ = learn.get_preds(ds_idx=1)
    with pytest.raises(steep.SteepError, match="Merge its adapters first"):
        steep.save(learn, tmp_path / "m")
    learn.model.model = learn.model.model.merge_and_unload()
    out = steep.save(learn, tmp_path / "m")
    found = steep.predict(out, list(learn.dls.valid_ds.corpus.table["text"]), **CPU)
    assert np.allclose(found[["p_negative", "p_positive"]], wanted, atol=1e-4)


def test_other_learners_are_refused(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    learn = steep.learner(tables / "single.csv", tiny_bert, label="label", **SHORT)
    learn.dls.origin = None
    with pytest.raises(steep.SteepError, match="expected a Learner made by steep.learner"):
        steep.save(learn, tmp_path / "m")
    assert not (tmp_path / "m").exists()
