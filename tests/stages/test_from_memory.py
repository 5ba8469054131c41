"""Does a model take texts that lie in memory, as lists and frames, and give frames back?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import steep
from tests.stages.conftest import Steep

Fitted = Callable[[str], Path]
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def frame(tables: Path) -> pd.DataFrame:
    return pd.read_csv(tables / "single.csv", dtype=str).head(12)


def test_every_form_gives_the_same_frame(
    fitted: Fitted, frame: pd.DataFrame, tmp_path: Path
) -> None:
    model, texts = fitted("single"), list(frame["text"])
    frame[["text"]].to_csv(tmp_path / "file.csv", index=False)
    forms = [
        *(texts, tuple(texts), np.array(texts), pd.Series(texts), frame[["text"]]),
        *(datasets.Dataset.from_dict({"text": texts}), tmp_path / "file.csv"),
        datasets.Dataset.from_dict({"text": texts})["text"],
    ]
    first, *others = [steep.predict(model, form, **CPU) for form in forms]
    assert list(first) == ["id", "label", "probability", "p_negative", "p_positive"]
    assert list(first["id"]) == [str(n) for n in range(12)]
    shares = first[["p_negative", "p_positive"]].to_numpy()
    assert np.allclose(shares.sum(axis=1), 1) and (shares.max(axis=1) == first["probability"]).all()
    for other in others:
        assert_frame_equal(first, other)
    out = steep.predict(model, texts, out=tmp_path / "out.csv", **CPU)
    written = pd.read_csv(out, dtype={"id": str, "label": str})
    assert_frame_equal(written, first, check_dtype=False, atol=1e-6)


def test_a_frame_keeps_its_index_and_columns(fitted: Fitted, frame: pd.DataFrame) -> None:
    frame = frame.assign(year=range(12), probability=0.5, text=["", None, *frame["text"][2:]])
    frame.index = [f"row {n}" for n in range(12)]
    found = steep.predict(fitted("single"), frame, keep_columns=True, **CPU)
    assert list(found.index) == list(frame.index)
    shown = ["text", "label_", "year", "probability_"]
    assert list(found) == ["id", "label", "probability", "p_negative", "p_positive", *shown]
    assert list(found["label_"]) == list(frame["label"]) and found["year"].dtype == int
    assert frame.join(found[["p_positive"]]).shape == (12, 6)


@pytest.mark.parametrize("kind", ["multi", "regression", "pairs"])
def test_other_tasks(fitted: Fitted, tables: Path, kind: str) -> None:
    model, whole = fitted(kind), pd.read_csv(tables / f"{kind}.csv", dtype=str).head(5)
    whole = whole.drop(columns="id")
    columns = {"multi": ["comment_text"], "regression": ["text"], "pairs": ["premise", "claim"]}
    texts = whole[columns[kind]].to_numpy().tolist()
    items = [tuple(t) for t in texts] if kind == "pairs" else [t for (t,) in texts]
    found = steep.predict(model, items, **CPU)
    assert_frame_equal(found, steep.predict(model, whole, **CPU))
    numbers = found.drop(columns=["id", "label", "decision"], errors="ignore")
    assert {str(dtype) for dtype in numbers.dtypes} == {"float64"}


def test_the_command_keeps_the_columns_of_a_file(
    steep: Steep, fitted: Fitted, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.assign(p_positive="x", text=["", *frame["text"][1:]]).to_csv(
        tmp_path / "a.csv", index=False
    )
    done = steep(
        "predict --keep-columns", fitted("single"), tmp_path / "a.csv", "--out", tmp_path / "b.csv"
    )
    found = pd.read_csv(tmp_path / "b.csv", dtype=str, keep_default_na=False)
    own = ["id", "label", "probability", "p_negative", "p_positive"]
    assert list(found) == [*own, "text", "label_", "p_positive_"]
    assert list(found["text"]) == ["", *frame["text"][1:]]
    assert list(found["id"]) == list(frame["id"])
    assert "'p_positive' is written as 'p_positive_'" in done.stderr


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], "no items"),
        (["a", None], "item 1: expected a text, not 'None'"),
        ([("a", "b")], "item 0: expected a text"),
        (["a\ud800"], "item 0: expected a text"),
        ({"train": ["a"]}, "dict: expected a path, a pandas DataFrame or a datasets.Dataset"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(fitted: Fitted, texts: Any, told: str) -> None:
    with pytest.raises(steep.SteepError, match=told):
        steep.predict(fitted("single"), texts, **CPU)


def test_pairs_are_needed_where_the_model_reads_them(fitted: Fitted) -> None:
    with pytest.raises(steep.SteepError, match="item 0: expected a pair of texts"):
        steep.predict(fitted("pairs"), ["one text"], **CPU)


def test_evaluate_takes_frames_and_datasets(fitted: Fitted, frame: pd.DataFrame) -> None:
    names = sorted(set(frame["label"]))
    classes = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    rows = {"text": list(frame["text"]), "label": [names.index(n) for n in frame["label"]]}
    of_frame = steep.evaluate(fitted("single"), frame, resamples=100, **CPU)
    of_dataset = steep.evaluate(
        fitted("single"), datasets.Dataset.from_dict(rows, classes), resamples=100, **CPU
    )
    assert of_frame["test"] == of_dataset["test"] and of_frame["test"]["rows"] == 12
