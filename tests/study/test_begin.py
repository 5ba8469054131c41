"""Is a study known again by what its inputs hold, and refused once any of that has changed?"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from transformers import BertConfig, BertForPreTraining

from steep import runs
from steep.args import CompareArgs
from steep.args.kept import kept_options
from steep.errors import SteepError
from steep.options import as_mapping, make
from steep.study.begin import begin_study, changed, contents_of, recipes_of
from steep.study.compare import prepared
from steep.study.design import Study

OPTIONS = {"label": "label", "seeds": 2, "split_seed": 3, "max_length": 32}


@pytest.fixture
def inputs(tables: Path, tiny_bert: Path, tmp_path: Path) -> Path:
    """A folder with all that a study reads."""
    shutil.copy(tables / "single.csv", tmp_path / "t.csv")
    (tmp_path / "more.txt").write_text("one text\n\nanother text\n")
    shutil.copytree(tiny_bert, tmp_path / "bert")
    return tmp_path


def study(inputs: Path, table: str = "t.csv", text: str = "more.txt", model: str = "bert") -> Study:
    files = {"model": str(inputs / model), "unlabelled": (inputs / text,)}
    args = make(CompareArgs, **OPTIONS, **files)
    return prepared(inputs / table, inputs / "study", args, ())


def record(made: Study) -> dict[str, Any]:
    """What study.json would know of it."""
    names = made.design.names
    known = {"args": as_mapping(made.args), "contents": contents_of(made), "arms": names}
    return json.loads(json.dumps(known | {"recipes": recipes_of(made.design, names)}))


def rename(folder: Path) -> dict[str, str]:
    (folder / "elsewhere").mkdir()
    names = {"table": "t.csv", "text": "more.txt", "model": "bert"}
    for name in names.values():
        (folder / name).rename(folder / "elsewhere" / f"new-{name}")
    return {kind: f"elsewhere/new-{name}" for kind, name in names.items()}


def other_weights(folder: Path) -> None:
    BertForPreTraining(BertConfig.from_pretrained(folder / "bert")).save_pretrained(folder / "bert")


def other_vocabulary(folder: Path) -> None:
    path = folder / "bert" / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"film"', '"movie"'), "utf-8")


def other_text(folder: Path) -> None:
    (folder / "more.txt").write_text("one text\n\nanother tale\n")


def swapped_labels(folder: Path) -> None:
    """Two rows change their labels: texts and counts stay."""
    table = pd.read_csv(folder / "t.csv", dtype=str)
    first, second = (table.index[table["label"] == name][0] for name in ("negative", "positive"))
    table.loc[[first, second], "label"] = ["positive", "negative"]
    table.to_csv(folder / "t.csv", index=False)


def test_what_is_renamed_is_the_same(inputs: Path) -> None:
    known = record(study(inputs))
    assert changed(known, study(inputs)) == ""
    assert changed(known, study(inputs, **rename(inputs))) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_weights, "weights or tokenizer in its checkpoint .*bert is another one now"),
        (other_vocabulary, "weights or tokenizer in its checkpoint"),
        (other_text, r"texts for step 2 \(--unlabelled\)"),
        (swapped_labels, r"rows or labels \(of "),
    ],
)
def test_what_has_other_content_under_the_same_name_is_another(
    inputs: Path, change: Callable[[Path], None], told: str
) -> None:
    known = record(study(inputs))
    change(inputs)
    assert re.match(told, changed(known, study(inputs)))


EDITS = [
    ("study.json", {"format": 3}, "written by a newer version of Steep"),
    ("study.json", {"contents": {}}, "the key 'contents.rows' is missing"),
    ("study.json", {"contents": None}, "the key 'contents' must be an object, not null"),
    ("study.json", {"recipes": []}, "the key 'recipes' must be an object"),
    ("study.json", {"seeds": []}, "the key 'seeds' must hold some of these, .*: 0, 1"),
    ("study.json", {"seeds": [0, 7]}, "the key 'seeds' must hold some of these"),
    ("study.json", {"budgets": [40]}, "the key 'budgets' must hold some of these, .*: null"),
    ("study.json", {"arms": ["tfidf", "base"]}, "the key 'arms' must hold base and adapted"),
    ("study.json", {"arms": ["base", "adapted", "own"]}, "the key 'arms' must hold some of these"),
    ("study.json", {"args": {}}, "holds a study with other options"),
    ("cells/base-seed0.json", {"seconds": "long"}, "the key 'seconds' must be a number"),
    ("cells/base-seed0.json", {"seed": 1}, "the key 'seed' must be 0, not 1"),
    ("adapted/steep.json", {"seconds": None}, "the key 'seconds' must be a number"),
    ("adapted/results.json", {"masked_loss": 1}, "the key 'masked_loss' must be an object"),
]


@pytest.fixture(scope="module")
def edited(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished study, without weights."""
    folder = tmp_path_factory.mktemp("edited") / "study"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


@pytest.fixture(scope="module")
def again(edited: Path, tables: Path) -> Study:
    """The study as it is asked for once more."""
    known = runs.manifest_at(edited / runs.STUDY)
    args = kept_options(CompareArgs, known["args"], "study.json")
    return prepared(tables / "single.csv", edited, args, ())


@pytest.mark.parametrize(("name", "edit", "told"), EDITS)
def test_a_study_edited_by_hand_is_refused_before_anything_runs(
    edited: Path, again: Study, name: str, edit: dict[str, Any], told: str
) -> None:
    path = edited / name
    before = path.read_bytes()
    runs.write_json(path, runs.read_json(path) | edit)
    try:
        with pytest.raises(SteepError, match=told) as refused:
            begin_study(again)
    finally:
        path.write_bytes(before)
    assert str(edited) in str(refused.value)


def test_a_cell_whose_predictions_are_gone_is_run_again(
    edited: Path, again: Study, capsys: pytest.CaptureFixture
) -> None:
    begin_study(again)
    assert "0 cells are left" in capsys.readouterr().err
    path = edited / "cells" / "base-seed0.csv"
    before = path.read_bytes()
    path.unlink()
    begin_study(again)
    path.write_bytes(before)
    assert "1 cell is left" in capsys.readouterr().err


def test_keys_of_another_version_are_allowed(edited: Path, again: Study) -> None:
    path = edited / "study.json"
    runs.write_json(path, runs.read_json(path) | {"of_tomorrow": [1]})
    assert begin_study(again).design.seeds == (0, 1)
