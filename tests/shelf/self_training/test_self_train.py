"""Does a student learn from a teacher's pseudo-labels, and from nothing that is held out?"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastai.callback.core import Callback
from safetensors.numpy import load_file

from steep.openings import Openings
from steep.shelf.self_training import self_train as feature
from steep.shelf.self_training.self_train import one_label, several_labels
from steep.stages.fit import fitted
from tests.conftest import BAD, GOOD, WORDS

Steep = Callable[..., Any]
LABEL = "--label label"
SMALL = "--batch-size 8 --max-length 32 --device cpu --precision fp32"
TRAINING = f"--epochs 8 --learning-rate 3e-3 {SMALL}"


@pytest.fixture
def pile(tables: Path, tmp_path: Path) -> Path:
    """Sentences with a telling word, and a copy of every labelled text."""
    stream = random.Random(0)
    texts = [
        " ".join([*stream.sample(WORDS[:60], 6), stream.choice(GOOD if i % 2 else BAD)])
        for i in range(80)
    ]
    path = tmp_path / "pile.csv"
    pd.DataFrame({"text": texts + list(pd.read_csv(tables / "single.csv")["text"])}).to_csv(
        path, index=False
    )
    return path


@pytest.fixture
def words(tables: Path, tiny_bert: Path, pile: Path) -> tuple[Path | str, ...]:
    """The words of a command on the table of classes."""
    return ("self-train", tables / "single.csv", pile, LABEL, TRAINING, "--model", tiny_bert)


def read(folder: Path, name: str = "results.json") -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def test_pseudo_labels_are_learnt_from(
    steep: Steep, words: tuple, tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student"
    asked = ("--confidence 0.6 --per-class 25 --out", out)
    shown = steep(*words, *asked).stderr
    results = read(out)
    found = results["self_training"]
    assert 0 < sum(found["kept"].values()) <= min(50, found["confident"])
    assert all(count <= 25 for count in found["kept"].values())
    assert f"the teacher labels {found['confident']:,} with confidence 0.6 or more" in shown
    assert "texts equal a held-out row and are left out" in shown
    assert "of the unlabelled texts have a label already" in shown
    labelled = len(pd.read_csv(tables / "single.csv"))
    assert found["texts"] <= 80, "held-out and labelled texts are not in the pile"
    teacher = read(tmp_path / "student.teacher")
    assert "self_training" not in teacher
    assert teacher["valid"]["rows"] == results["valid"]["rows"] < labelled
    again = steep(*words, *asked, "--overwrite").stderr
    assert "student.teacher, as it is" in again
    repeated = read(out)
    assert repeated.pop("tokens_per_second") and results.pop("tokens_per_second")
    assert repeated == results


def test_the_run_says_what_it_was(steep: Steep, words: tuple, tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    steep(*words, "--confidence 0.5 --per-class 25 --label-budget 60 --out", out)
    made, teacher = read(out, "steep.json"), read(tmp_path / "student.teacher", "steep.json")
    assert (made["stage"], made["command"]) == ("fit", "self-train")
    assert made["args"] == teacher["args"] | {"confidence": 0.5, "per_class": 25}
    assert made["args"]["label_budget"] == 60
    assert made["data"] == teacher["data"], "rows of the table, without pseudo-labels"
    assert " ".join(made["notes"]).count("60 of 140 training labels are used") == 1
    (source,) = read(out)["sources"]
    assert (source["name"], source["documents"] + source["left_out"]) == ("pile.csv", 280)
    assert "| single.csv | 200 |" in (out / "README.md").read_text()
    steep("predict", out, tables / "single.csv", "--out", tmp_path / "predictions.csv")
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 200


class Stop(Callback):
    """Ends a training in its second epoch, as Ctrl-C does."""

    def before_epoch(self) -> None:
        if self.epoch == 1:
            raise KeyboardInterrupt


def test_a_killed_student_is_resumed_and_its_teacher_stays(
    steep: Steep, words: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = "--epochs 3 --confidence 0.5 --per-class 25 --save-every 0.000001 --out"
    steep(*words, how, tmp_path / "whole")
    out = tmp_path / "student"

    def stopped(*data: Any, openings: Openings | None = None, **how: Any) -> dict[str, Any]:
        callbacks = [Stop()] if how["out"] == out else []
        given = replace(openings or Openings(), callbacks=callbacks)
        return fitted(*data, openings=given, **how)

    with monkeypatch.context() as patch:
        patch.setattr(feature, "fitted", stopped)
        steep(*words, how, out, code=130)
    assert not out.exists()
    shown = steep(*words, how, out).stderr
    assert "student.teacher, as it is" in shown
    assert "resum" in shown
    one, two = (load_file(folder / "model.safetensors") for folder in (tmp_path / "whole", out))
    assert all((one[name] == two[name]).all() for name in one)
    assert read(out)["self_training"] == read(tmp_path / "whole")["self_training"] | {
        "teacher": "student.teacher"
    }


def test_several_labels_a_row_are_learnt_from(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, pile: Path, tmp_path: Path
) -> None:
    out = tmp_path / "multi"
    words = ("self-train", tables / "multi.csv", pile, columns["multi"], TRAINING)
    asked = ("--confidence 0.6 --per-class 10 --out", out)
    shown = steep(*words, "--model", tiny_bert, *asked).stderr
    found = read(out)["self_training"]
    assert 0 < found["kept"]["none of them"] <= 10
    assert f"none of them {found['kept']['none of them']})" in shown


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("regression", "", "needs classes or labels, and this is a regression"),
        ("pairs", "", "reads single texts, not pairs"),
        ("single", "--confidence 1", "labels no text with confidence 1"),
    ],
)
def test_what_it_cannot_learn_from(
    steep: Steep,
    tables: Path,
    columns: dict,
    tiny_bert: Path,
    tiny: str,
    pile: Path,
    tmp_path: Path,
    kind: str,
    more: str,
    told: str,
) -> None:
    how = ("--model", tiny_bert, tiny, "--epochs 1", more, "--out", tmp_path / "no")
    said = steep("self-train", tables / f"{kind}.csv", pile, columns[kind], *how, code=2).output
    assert told in said
    assert not (tmp_path / "no").exists()


def test_the_most_confident_of_each_class_in_the_order_of_the_file() -> None:
    given = np.array([[0.95, 0.05], [0.91, 0.09], [0.2, 0.8], [0.99, 0.01], [0.08, 0.92]])
    places, classes = one_label(given, 0.9, 2)
    assert places.tolist() == [0, 3, 4]  # row 1 is the third of its class, row 2 is below 0.9
    assert classes.tolist() == [0, 0, 1]
    assert one_label(given, 0.999, 2)[0].tolist() == []


def test_of_several_labels_all_must_be_confident() -> None:
    given = np.array(
        [[0.95, 0.02], [0.97, 0.01], [0.99, 0.5], [0.01, 0.02], [0.03, 0.04], [0.96, 0.98]]
    )
    places, labels = several_labels(given, 0.9, 6)
    assert places.tolist() == [0, 1, 3, 4, 5]  # of row 2, the second label is below 0.9
    assert labels.tolist() == [[1, 0], [1, 0], [0, 0], [0, 0], [1, 1]]
    # one of each: row 3 has none and comes first, 1 the first label, 5 the second beside it
    assert several_labels(given, 0.9, 1)[0].tolist() == [1, 3, 5]
    assert several_labels(given, 0.999, 6)[1].shape == (0, 2)
