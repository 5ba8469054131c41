"""Does the whole path work, from a table to a report, for every kind of task?"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from transformers import AutoModelForMaskedLM, pipeline

Steep = Callable[..., Any]
Fitted = Callable[[str], Path]

FEW = "--arms tfidf,base,adapted --epochs 1 --seeds 2 --keep-going"
KINDS = ["single", "multi", "regression", "pairs"]
TOXIC = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
CHECKPOINT = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
RUN = {"steep.json", "splits.json", "history.csv", "results.json"}


def table(path: Path, **options: Any) -> pd.DataFrame:
    """A CSV file with empty cells as empty texts."""
    return pd.read_csv(path, keep_default_na=False, **options)


def files(folder: Path) -> set[str]:
    """Every file in a folder, by its path from there."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_writes_the_files_of_a_run_and_nothing_else(fitted: Fitted, kind: str) -> None:
    folder = fitted(kind)
    predictions = {"predictions/valid.csv", "predictions/test.csv"}
    chosen = {"decisions.json"} if kind == "multi" else set()  # the thresholds of several labels
    assert files(folder) == RUN | CHECKPOINT | predictions | {"seen.npy", "README.md"} | chosen
    assert {path.name for path in folder.parent.iterdir()} <= set(KINDS)


def test_an_adaptation_writes_the_files_of_a_run_and_what_it_saw(adapted: Path) -> None:
    assert files(adapted) == RUN | CHECKPOINT | {"seen.npy", "look.json", "README.md"}


@pytest.mark.parametrize("kind", KINDS)
def test_check_names_rows_labels_and_lengths(
    steep: Steep, tables: Path, columns: dict[str, str], kind: str, tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    shown = steep("check", tables / f"{kind}.csv", columns[kind], "--out", found).stdout
    assert shown.startswith(f"{kind}.csv (200 rows): 140 train, 20 valid, 40 test\n")
    assert "length in words: mean" in shown
    assert json.loads(found.read_text())["parts"] == {"train": 140, "valid": 20, "test": 40}


def test_check_with_a_checkpoint_measures_the_time(
    steep: Steep, tables: Path, tiny_bert: Path
) -> None:
    shown = steep("check", tables / "single.csv", "--label label --model", tiny_bert).stdout
    assert "length in tokens: mean" in shown
    assert "adapt:" in shown
    assert "a pass over the training rows" in shown
    assert "tokens a word" in shown
    assert "masked loss before step 2: " in shown
    assert "whether step 2 will help is unknown" in shown, "of such checkpoints nothing is known"


@pytest.mark.parametrize("kind", KINDS)
def test_predict_evaluate_and_the_fit_agree_on_the_test_rows(
    steep: Steep, tables: Path, fitted: Fitted, kind: str, tmp_path: Path
) -> None:
    folder, out = fitted(kind), tmp_path / "predictions.csv"
    own = table(folder / "predictions" / "test.csv", dtype={"truth": str, "predicted": str})
    whole = table(tables / f"{kind}.csv", dtype=str)
    rows = whole.iloc[own["row"]]
    assert list(rows["id"]) == list(own["id"])
    rows.to_csv(tmp_path / "test.csv", index=False)
    steep("predict", folder, tmp_path / "test.csv", "--out", out, "--precision fp32")
    given = table(out, dtype={"label": str})
    assert list(given["id"]) == list(rows["id"])
    if kind == "regression":
        assert np.allclose(given["stars"], own["predicted"].astype(float), atol=1e-4)
    else:
        probabilities, shown = own.filter(like="p_").to_numpy(), given.select_dtypes("number")
        if kind in ("single", "pairs"):
            assert np.allclose(shown.pop("probability"), probabilities.max(axis=1), atol=1e-4)
        assert np.allclose(shown, probabilities, atol=1e-4)
    steep("evaluate", folder, tmp_path / "test.csv", "--precision fp32 --out", tmp_path / "e")
    measured, known = (
        json.loads((f / "results.json").read_text()) for f in (tmp_path / "e", folder)
    )
    for name, found in known["test"]["metrics"].items():
        assert measured["test"]["metrics"][name]["value"] == pytest.approx(found["value"], abs=1e-3)
    assert files(tmp_path / "e") == {"steep.json", "results.json", "predictions/test.csv"}


@pytest.mark.parametrize("kind", ["single", "regression"])
def test_the_fit_learned_something_of_what_there_is_to_learn(fitted: Fitted, kind: str) -> None:
    found = json.loads((fitted(kind) / "results.json").read_text())["test"]["metrics"]
    name, least = ("spearman", 0.2) if kind == "regression" else ("auc", 0.65)
    assert found[name]["value"] > least


def test_a_jigsaw_test_file_becomes_a_submission(
    steep: Steep, tables: Path, fitted: Fitted, tmp_path: Path
) -> None:
    rows = table(tables / "multi.csv")[["id", "comment_text"]].iloc[::-1].head(30).copy()
    rows.iloc[[0, 7], 1] = ["", " "]
    rows.to_csv(tmp_path / "test.csv", index=False)
    done = steep("predict", fitted("multi"), tmp_path / "test.csv", "--out", tmp_path / "sub.csv")
    given = table(tmp_path / "sub.csv")
    assert list(given.columns) == ["id", *TOXIC, "decision"]
    assert list(given["id"]) == list(rows["id"])
    assert given[TOXIC].to_numpy().min() >= 0
    assert given[TOXIC].to_numpy().max() <= 1
    assert "2 of 30 rows" in done.stderr


@pytest.mark.parametrize("kind", ["single", "pairs"])
def test_transformers_alone_gives_the_same_label_and_probability(
    fitted: Fitted, tables: Path, kind: str
) -> None:
    known = table(fitted(kind) / "predictions" / "test.csv").head(12)
    rows = table(tables / f"{kind}.csv").iloc[known["row"]]
    texts: list[Any] = known["text"].tolist()
    if kind == "pairs":
        both = zip(rows["premise"], rows["claim"], strict=True)
        texts = [{"text": one, "text_pair": two} for one, two in both]
    pipe = pipeline("text-classification", model=str(fitted(kind)), device="cpu")
    for row, found in zip(known.to_dict("records"), pipe(texts), strict=True):
        assert found["label"] == row["predicted"]
        assert found["score"] == pytest.approx(row[f"p_{found['label']}"], abs=1e-3)


def test_transformers_alone_gives_the_same_probability_of_every_label(fitted: Fitted) -> None:
    known = table(fitted("multi") / "predictions" / "test.csv").head(12)
    pipe = pipeline("text-classification", model=str(fitted("multi")), device="cpu", top_k=None)
    for row, found in zip(known.to_dict("records"), pipe(known["text"].tolist()), strict=True):
        assert {label["label"] for label in found} == set(TOXIC)
        for label in found:
            assert label["score"] == pytest.approx(row[f"p_{label['label']}"], abs=1e-3)


def test_transformers_alone_gives_the_same_target(fitted: Fitted) -> None:
    known = table(fitted("regression") / "predictions" / "test.csv").head(12)
    pipe = pipeline("text-classification", model=str(fitted("regression")), device="cpu")
    found = [answer["score"] for answer in pipe(known["text"].tolist(), function_to_apply="none")]
    assert found == pytest.approx(known["predicted"].tolist(), abs=1e-3)


def test_an_adapted_folder_is_a_masked_language_model_of_transformers(
    adapted: Path, tiny_bert: Path
) -> None:
    _, info = AutoModelForMaskedLM.from_pretrained(adapted, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert len(pipeline("fill-mask", model=str(adapted))("the film was [MASK] .")) == 5
    before, after = (load_file(f / "model.safetensors") for f in (tiny_bert, adapted))
    pooler = "bert.pooler.dense.weight"
    assert np.array_equal(before[pooler], after[pooler])
    moved = "bert.encoder.layer.0.output.dense.weight"
    assert not np.array_equal(before[moved], after[moved])


@pytest.mark.parametrize("kind", KINDS)
def test_compare_gives_a_verdict_for_every_kind(
    steep: Steep,
    tables: Path,
    columns: dict[str, str],
    tiny: str,
    tiny_bert: Path,
    short_step2: Path,
    tmp_path: Path,
    kind: str,
) -> None:
    out = tmp_path / "study"
    what = (tables / f"{kind}.csv", columns[kind], "--model", tiny_bert, tiny)
    shown = steep("compare", *what, FEW, "--config", short_step2, "--out", out)
    assert json.loads((out / "verdict.json").read_text())["paragraph"] in shown.stderr
    cells = [f"{arm}-seed{seed}" for arm in ("tfidf", "base", "adapted") for seed in (0, 1)]
    assert {path.name for path in (out / "cells").iterdir()} == {
        f"{cell}.{ending}" for cell in cells for ending in ("json", "csv")
    }
    assert {p.name for p in out.iterdir()} == {
        "study.json", "splits.json", "verdict.json", "cells", "adapted"
    }  # fmt: skip
    assert steep("report", out).stdout.strip() == str(out / "report.html")
    assert "<html" in (out / "report.html").read_text()


def test_runs_have_a_report_too(steep: Steep, fitted: Fitted, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    steep("report", fitted("multi"), "--out", page)
    assert "severe_toxic" in page.read_text()


def test_results_go_to_standard_output_and_words_to_standard_error(
    tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "steep", "fit", str(tables / "single.csv")]
    options = ["--label", "label", "--model", str(tiny_bert), "--max-length", "32", "--epochs", "1"]
    done = subprocess.run(
        [*command, *options, "--out", str(tmp_path / "model")], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'model'}\n"
    assert "rows: 140 train, 20 valid, 40 test (split seed 0)" in done.stderr
    assert "Warning" not in done.stderr
