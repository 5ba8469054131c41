"""Do the public functions take keywords, data that was read before, and frames, as they say?"""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

import steep
from steep.errors import SteepError

SHORT: dict[str, Any] = {"max_length": 32, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def frame(tiny_rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """The learnable table with column names that are no defaults."""
    return pd.DataFrame(tiny_rows, columns=["number", "review", "sentiment"])


@pytest.fixture(scope="module")
def source(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that gives the table in one of three forms."""
    path = tmp_path_factory.mktemp("sources") / "reviews.csv"
    frame.to_csv(path, index=False)
    forms = {"file": path, "frame": frame, "dataset": datasets.Dataset.from_pandas(frame)}
    return forms.__getitem__


@pytest.mark.parametrize("form", ["file", "frame", "dataset"])
def test_the_whole_path_in_python(source: Any, form: str, tiny_bert: Path, tmp_path: Path) -> None:
    data = steep.read(source(form), text="review", label="sentiment")
    adapted = steep.adapt(data, tiny_bert, out=tmp_path / "adapted", epochs=0.5, **SHORT)
    model = steep.fit(data, adapted, out=tmp_path / "model", epochs=1, **SHORT)
    # Nothing says 'review' again: the model knows its column.
    out = steep.predict(model, source(form), out=tmp_path / "predictions.csv")
    assert len(pd.read_csv(out)) == 200
    found = steep.evaluate(model, source(form), out=tmp_path / "evaluated")
    assert found["test"]["rows"] == 200
    for folder in (adapted, model, tmp_path / "evaluated"):
        assert steep.report(folder).is_file()
    learn = steep.learner(data, adapted, max_length=32)
    learn.fit_one_cycle(1, steep.discriminative(learn, 2e-5))


def test_all_forms_give_the_same_model(source: Any, tiny_bert: Path, tmp_path: Path) -> None:
    weights = set()
    for form in ("file", "frame", "dataset"):
        out, columns = tmp_path / form, {"text": "review", "label": "sentiment"}
        steep.fit(source(form), tiny_bert, out=out, epochs=1, **columns, **SHORT)
        weights.add((out / "model.safetensors").read_bytes())
    assert len(weights) == 1


def test_data_carries_its_columns_and_splits(
    frame: pd.DataFrame, tiny_bert: Path, tmp_path: Path
) -> None:
    data = steep.read(frame, text="review", label="sentiment", test_share=0.4, split_seed=3)
    out = steep.fit(data, tiny_bert, out=tmp_path / "m", text="review", epochs=1, **SHORT)
    assert len(pd.read_csv(out / "predictions" / "test.csv")) == 80
    seeds = np.unique([steep.read(frame, text="review", split_seed=s).splits.seed for s in (3, 3)])
    assert seeds.tolist() == [3]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"text": "number"},
            "text 'number' contradicts the data, which was read with text 'review'",
        ),
        ({"label": "x"}, "label 'x' contradicts the data"),
        ({"test_share": 0.3}, "test_share 0.3 contradicts the data"),
        ({"epoch": 3}, "fit: there is no option 'epoch'. Did you mean 'epochs'?"),
        ({"epochs": "3"}, "option 'epochs' must be a whole number"),
        ({"model": 3}, "'model'"),
    ],
)
def test_what_cannot_be_is_refused(
    frame: pd.DataFrame, tiny_bert: Path, tmp_path: Path, given: dict[str, Any], told: str
) -> None:
    data = steep.read(frame, text="review", label="sentiment")
    start = {"model": tiny_bert} | given
    if told == "'model'":
        told = "3: "
    with pytest.raises(SteepError) as refused:
        steep.fit(data, out=tmp_path / "m", **start)
    assert told in str(refused.value)
    assert not (tmp_path / "m").exists()


def test_toml_and_recipes_are_keywords_too(
    frame: pd.DataFrame, tiny_bert: Path, tmp_path: Path
) -> None:
    toml = tmp_path / "fit.toml"
    toml.write_text('[fit]\ntext = "review"\nlabel = "sentiment"\nepochs = 2\nbatch-size = 8\n')
    out = steep.fit(frame, tiny_bert, out=tmp_path / "m", config=toml, epochs=1, **SHORT)
    assert len(pd.read_csv(out / "history.csv")) == 1
    learn = steep.learner(frame, tiny_bert, config=toml, recipe="mosbach", max_length=32)
    assert learn.dls.train.bs == 8  # the TOML file wins over the recipe
    assert learn.opt_func is not None


def test_a_study_in_python(frame: pd.DataFrame, tiny_bert: Path, tmp_path: Path) -> None:
    data = steep.read(frame, text="review", label="sentiment")
    step2 = {"epochs": 0.2, "max_length": 32, "masking": "word"}
    out = steep.compare(
        data,
        tiny_bert,
        out=tmp_path / "study",
        seeds=2,
        epochs=1,
        keep_going=True,
        adapt=step2,
        **SHORT,
    )
    assert steep.report(out).is_file()
