"""Does a tracker get what a run finds, and does the run not depend on it?"""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steep.openings import TrackArgs
from steep.shelf import trackers
from steep.train import trackers as training

Steep = Callable[..., Any]


@pytest.fixture
def tensorboard() -> None:
    pytest.importorskip("accelerate", reason="needs the extra 'tensorboard'")
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads of a run: step and value by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    found = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    return {name: [(e.step, e.value) for e in of] for name, of in found.items()}


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_shows_a_fit(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    how = ("--model", tiny_bert, tiny, "--epochs 3 --track tensorboard --out", tmp_path / "model")
    shown = steep("fit", tables / "single.csv", columns["single"], *how).stderr
    assert "tensorboard --logdir" in shown
    seen = read(tmp_path / "tensorboard" / "model")
    history = pd.read_csv(tmp_path / "model" / "history.csv")
    assert [step for step, _ in seen["accuracy"]] == [1, 2, 3]
    assert [value for _, value in seen["accuracy"]] == pytest.approx(list(history["accuracy"]))
    results = json.loads((tmp_path / "model" / "results.json").read_text())
    test = results["test"]["metrics"]["accuracy"]["value"]
    assert seen["test_accuracy"] == [(results["best_epoch"], pytest.approx(test))]
    (options,) = (tmp_path / "tensorboard" / "model").rglob("hparams.yml")
    assert "epochs: 3" in options.read_text()


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_shows_step_2(
    steep: Steep, tables: Path, columns: dict, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    how = ("--model", tiny_bert, tiny, "--epochs 2 --track tensorboard --out", tmp_path / "adapted")
    steep("adapt", tables / "single.csv", columns["single"], *how)
    seen = read(tmp_path / "tensorboard" / "adapted")
    history = pd.read_csv(tmp_path / "adapted" / "history.csv")
    assert [step for step, _ in seen["valid_loss"]] == list(history["step"])
    values = [value for _, value in seen["valid_loss"]]
    assert values == pytest.approx(list(history["valid_loss"]), rel=1e-5)


def test_mlflow_keeps_a_fit_in_its_database(
    steep: Steep,
    tables: Path,
    columns: dict,
    tiny_bert: Path,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("mlflow", reason="needs the extra 'mlflow'")
    database = tmp_path / "kept.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    how = ("--model", tiny_bert, tiny, "--epochs 2 --track mlflow --out", tmp_path / "model")
    shown = steep("fit", tables / "single.csv", columns["single"], *how).stderr
    assert "fails" not in shown
    with sqlite3.connect(database) as known:
        (run,) = known.execute("select name, status from runs").fetchall()
        kept = known.execute("select value from metrics where key = 'accuracy' order by step")
        values = [value for (value,) in kept.fetchall()]
    assert run == ("model", "FINISHED")
    history = pd.read_csv(tmp_path / "model" / "history.csv")
    assert values == pytest.approx(list(history["accuracy"]))


class Broken:
    """A tracker whose service is down."""

    def start(self) -> None:
        raise ConnectionError("no such host")

    def log(self, values: dict, step: int) -> None:
        raise AssertionError("nothing may be sent after a failure")

    store_init_configuration = finish = start


def test_a_tracker_that_fails_ends_no_run(
    steep: Steep,
    tables: Path,
    columns: dict,
    tiny_bert: Path,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("accelerate", reason="needs the extra 'wandb'")
    monkeypatch.setattr(trackers, "find_spec", lambda _: True)
    monkeypatch.setattr(training, "_open", lambda *_: Broken())
    how = ("--model", tiny_bert, tiny, "--epochs 2 --track wandb --out", tmp_path / "model")
    shown = steep("fit", tables / "single.csv", columns["single"], *how).stderr
    assert shown.count("wandb fails (ConnectionError: no such host)") == 1
    assert len(pd.read_csv(tmp_path / "model" / "history.csv")) == 2


def test_a_missing_package_is_said_before_anything(
    refused: Callable[..., str], tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "mlflow" else True)
    how = ("--label label --model x --track mlflow --out", tmp_path / "model")
    message = refused("fit", tables / "single.csv", *how)
    assert message.strip() == "mlflow is not installed: pip install 'steep[mlflow]'."


def test_a_follower_sends_numbers_and_options_and_is_told_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("accelerate", reason="needs the extra 'wandb'")
    monkeypatch.setattr(trackers, "find_spec", lambda _: True)
    sent: list[tuple] = []

    class Kept:
        """A tracker that keeps what it is sent."""

        def start(self) -> None:
            sent.append(("start",))

        def store_init_configuration(self, values: dict) -> None:
            sent.append(("options", values))

        def log(self, values: dict, step: int) -> None:
            sent.append((step, values))

        def finish(self) -> None:
            sent.append(("end",))

    monkeypatch.setattr(training, "_open", lambda kind, out: sent.append((kind, out)) or Kept())
    (follower,) = trackers.followers(TrackArgs(track="wandb"))
    follower.begin(tmp_path / "out", {"epochs": 3, "metric": None, "file_weight": ["a=2"]})
    follower.line({"epoch": 1, "train_loss": None, "accuracy": 0.5}, 1)
    follower.end()
    assert sent == [
        ("wandb", tmp_path / "out"),
        ("start",),
        ("options", {"epochs": 3, "file_weight": "['a=2']"}),
        (1, {"epoch": 1.0, "accuracy": 0.5}),
        ("end",),
    ]
