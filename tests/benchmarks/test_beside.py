"""Do all methods get the same rows and weights, and is what they find kept and compared?"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("accelerate", reason="the Trainer needs it: pip install 'steep[bench]'")

from benchmarks import beside, classification
from benchmarks.sets import SETS, Set
from steep.args import FitArgs
from steep.data.load import load
from steep.metrics.scores import primary
from steep.options import change, make
from steep.study.arms import CellInput

Rows = list[tuple[str, str, str]]


@pytest.fixture
def kind(tiny_rows: Rows) -> Set:
    """A data set of 100 and 60 rows that a tiny model learns."""
    table = pd.DataFrame(tiny_rows, columns=["id", "text", "label"])[["text", "label"]]
    options = {"label": "label", "epochs": 10, "max_length": 32, "precision": "fp32"}
    return Set(lambda _: (table[:100], table[100:]), 100, 60, options)


def test_four_methods_on_the_same_rows(
    kind: Set, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "RATES", (1e-6, 5e-3))
    options = argparse.Namespace(
        data=tmp_path, model=tiny_bert, out=tmp_path / "out", seeds=2, device="cpu"
    )
    found = beside.contest("tiny", kind, options)
    json.dumps(found)
    assert found["rows"] == {"train": 80, "valid": 20, "test": 60}
    arms = [line["arm"] for line in found["lines"]]
    assert arms == [beside.COUNTS, beside.LAST, beside.BEST, beside.STEEP]
    assert all(len(line["values"]) == 2 for line in found["lines"])
    steep = found["lines"][-1]
    assert steep["rate"] == 0.005
    assert "gain" in steep
    assert "| tiny, accuracy | 80 | Steep | 0.005 |" in beside.table({"tiny": found})
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}
    assert beside.contest("tiny", kind, options) == found
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


@pytest.mark.parametrize("labels", ["single", "multi", "regression"])
def test_the_trainer_learns_every_kind_of_task(
    labels: str, tiny_rows: Rows, tiny_bert: Path, tmp_path: Path
) -> None:
    table = pd.DataFrame(tiny_rows, columns=["id", "text", "label"])
    bad = (table["label"] == "negative").astype(int)
    columns = {"single": ["label"], "multi": ["bad", "good"], "regression": ["stars"]}[labels]
    table = table.assign(bad=bad, good=1 - bad, stars=3.5 * bad + 0.5)
    table.to_csv(tmp_path / "rows.csv", index=False)
    args = make(
        FitArgs,
        label=",".join(columns),
        task=labels,
        epochs=12,
        batch_size=8,
        learning_rate=2e-3,
        max_length=32,
        device="cpu",
    )
    data = load(tmp_path / "rows.csv", args.table, args.split)
    assert data.test is not None
    cell = CellInput(
        data=data,
        test=data.test,
        base=str(tiny_bert),
        encoder=None,
        tune=args.tune,
        seed=0,
        metric=primary(data.labelled()),
        machine=args.machine,
        description="the Trainer",
    )
    found = classification.fit(cell)
    metric, least = {"single": ("accuracy", 0.8), "multi": ("auc", 0.8), "regression": ("r2", 0.5)}[
        labels
    ]
    assert found["best"].facts["test"][metric] > least
    assert found["best"].facts["seconds"] == found["last"].facts["seconds"] > 0
    standing = change(args.tune, {"learning_rate": 0.0, "epochs": 1})
    untrained = classification.fit(replace(cell, tune=standing))
    assert untrained["last"].facts["test"][metric] < least


@pytest.mark.parametrize("name", SETS)
def test_the_sets_are_drawn_alike_every_time(name: str, shared_data: Path, tmp_path: Path) -> None:
    kind = SETS[name]
    train, test = kind.write(shared_data, tmp_path / "one")
    again, _ = kind.write(shared_data, tmp_path / "two")
    assert train.read_bytes() == again.read_bytes()
    table = pd.read_csv(train)
    assert {"text", *str(kind.options["label"]).split(",")} <= set(table)
    assert len(table) == (kind.train if kind.each is None else 77 * kind.each)
    assert len(pd.read_csv(test)) == kind.test
    shared = set(table["text"]) & set(pd.read_csv(test)["text"])
    assert len(shared) <= 5  # TREC and GoEmotions were published with a few
