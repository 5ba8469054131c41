"""Does `steep.Classifier` do what scikit-learn and its users expect of a classifier?"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import steep

SHORT: dict[str, Any] = {
    "max_length": 32,
    "epochs": 1,
    "learning_rate": 5e-3,
    "device": "cpu",
    "precision": "fp32",
}
Rows = list[tuple[str, str, str]]


@pytest.fixture(scope="module")
def texts(tiny_rows: Rows) -> list[str]:
    return [text for _, text, _ in tiny_rows]


@pytest.fixture(scope="module")
def labels(tiny_rows: Rows) -> list[str]:
    return [label for *_, label in tiny_rows]


def lower(texts: list[str]) -> list[str]:
    return [text.lower() for text in texts]


@pytest.fixture(scope="module")
def fitted(tiny_bert: Path, texts: list[str], labels: list[str]) -> steep.Classifier:
    return steep.Classifier(tiny_bert, **SHORT | {"epochs": 4}).fit(texts, labels)


def test_it_fits_predicts_and_scores(
    fitted: steep.Classifier, texts: list[str], labels: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert fitted.classes_.tolist() == ["negative", "positive"]
    found = fitted.predict_proba(np.array(texts))
    assert found.shape == (200, 2) and np.allclose(found.sum(axis=1), 1)
    assert (fitted.predict(pd.Series(texts)) == fitted.classes_[found.argmax(axis=1)]).all()
    assert fitted.score(pd.DataFrame({"review": texts}), labels) > 0.6
    assert capfd.readouterr() == ("", "")
    frame = steep.predict(fitted.folder_, texts, device="cpu", precision="fp32")
    assert np.allclose(frame[["p_negative", "p_positive"]], found, atol=1e-5)


def test_labels_keep_their_type_and_order(tiny_bert: Path, texts: list[str]) -> None:
    numbers = np.array([9, 10, 100])[np.arange(200) % 3]
    for labels in (numbers, numbers.astype(str)):
        one = steep.Classifier(tiny_bert, **SHORT).fit(pd.Series(texts), pd.Series(labels))
        assert one.classes_.tolist() == sorted(set(labels.tolist()))
        found = one.predict_proba(texts)
        assert one.predict(texts).tolist() == one.classes_[found.argmax(axis=1)].tolist()
        frame = steep.predict(one.folder_, texts)
        # Where the processor has bf16, the other rows of a batch move the third digit.
        assert np.allclose(frame[[f"p_{name}" for name in one.classes_]], found, atol=1e-2)


def test_pairs_of_texts(tiny_bert: Path, texts: list[str], labels: list[str]) -> None:
    pairs = list(zip(texts, texts[::-1], strict=True))
    one = steep.Classifier(tiny_bert, **SHORT).fit(pairs, labels)
    assert one.predict_proba(np.array(pairs)).shape == (200, 2)
    with pytest.raises(steep.SteepError, match="item 0: expected a pair of texts"):
        one.predict(texts)


def test_its_folder_goes_with_it_unless_it_is_named(
    tiny_bert: Path,
    texts: list[str],
    labels: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    one = steep.Classifier(tiny_bert, **SHORT).fit(texts, labels)
    assert capfd.readouterr() == ("", "")
    folder = one.folder_
    assert (folder / "model.safetensors").is_file()
    with pytest.raises(steep.SteepError, match="Fit it with out="):
        copy.deepcopy(one)
    del one
    assert not folder.parent.exists()
    one = steep.Classifier(tiny_bert, out=tmp_path / "m", **SHORT).fit(texts, labels)
    assert (copy.deepcopy(one).predict(texts) == one.predict(texts)).all()


def test_parameters_are_those_that_were_given(tiny_bert: Path) -> None:
    one = steep.Classifier(tiny_bert, epochs=2)
    assert one.get_params() == {"model": tiny_bert, "out": None, "verbose": False, "epochs": 2}
    other = clone(one).set_params(learning_rate=0.1, verbose=True)
    assert other.get_params() == one.get_params() | {"learning_rate": 0.1, "verbose": True}
    assert one.options == {"epochs": 2}
    assert "epochs=2" in repr(one)
    with pytest.raises(NotFittedError):
        one.predict(["a"])


def test_it_works_in_pipelines_and_searches(
    tiny_bert: Path, texts: list[str], labels: list[str]
) -> None:
    scores = cross_val_score(steep.Classifier(tiny_bert, **SHORT), texts, labels, cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    steps = [("lower", FunctionTransformer(lower)), ("bert", steep.Classifier(tiny_bert, **SHORT))]
    grid = {"bert__learning_rate": [5e-3, 0.0], "bert__seed": [1]}
    search = GridSearchCV(Pipeline(steps), grid, cv=2).fit(texts, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_["bert"].options["seed"] == 1
    assert len(search.predict(texts[:3])) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"y": ["a"]}, r"y: expected a label for each of 4 texts, .* the shape 1\."),
        ({"y": [["a"]] * 4}, "the shape 4 x 1"),
        ({"y": ["a", None, "b", "a"]}, "none missing"),
        ({"y": np.array([1, "a", 2, 3], object)}, "labels of several types"),
        ({"y": ["a", "a ", "b", "b"]}, "differ in spaces"),
        ({"X": ["a", 3, "b", "c"]}, "item 1: expected a text, not '3'"),
        ({"X": []}, "no items"),
        ({"epoch": 3}, "there is no option 'epoch'. Did you mean 'epochs'?"),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    tiny_bert: Path, change: dict[str, Any], told: str
) -> None:
    given = {"X": ["one", "two", "three", "four"], "y": ["a", "b", "a", "b"]} | change
    texts, labels = given.pop("X"), given.pop("y")
    with pytest.raises(steep.SteepError, match=told):
        steep.Classifier(tiny_bert, **SHORT | given).fit(texts, labels)
