"""Do several processes train the model that one would, and end together? By the real commands."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor

import steep
from steep import launch, runs
from steep.args import DevicesArgs
from steep.errors import SteepError
from steep.launch import Ranks, become, check_devices, told
from steep.models.devices import Machine
from steep.train import ranks
from steep.train.engine import Part

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

TABLE = {"text": "text", "label": "label", "device": "cpu", "precision": "fp32"}
ADAPT = TABLE | {
    "max_length": 16,
    "batch_tokens": 512,
    "max_steps": 6,
    "eval_steps": 3,
    "learning_rate": 0.001,
}
FIT = TABLE | {"max_length": 32, "batch_size": 7, "epochs": 2, "learning_rate": 2e-4}
LONG = {"max_length": 8, "truncation": "sliding-mean", "max_windows": 4}
RESUMED = ADAPT | {"max_steps": 40, "eval_steps": 20}
MINUTE = 60.0


def line(command: str, table: Path, options: dict) -> list[str]:
    """A command as one types it."""
    flags = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["-m", "steep", command, str(table), *flags]


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen]:
    """A command under way, with the cache of the tests; what is left of it is ended."""
    own = {"OMP_NUM_THREADS": "1", "HF_DATASETS_CACHE": str(datasets.config.HF_DATASETS_CACHE)}
    process = subprocess.Popen(
        [sys.executable, *words], env=os.environ | own, stdout=-1, stderr=-1, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def run(*words: str, code: int = 0) -> tuple[str, str]:
    """What a command prints, and says."""
    with started(*words) as process:
        out, said = process.communicate(timeout=10 * MINUTE)
    assert process.returncode == code, said
    return out, said


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, tiny_rows: list) -> Path:
    path = tmp_path_factory.mktemp("table") / "tiny.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text", "label"), *tiny_rows])
    return path


def history(folder: Path) -> list[dict[str, float]]:
    """The lines of history, but for their seconds."""
    with (folder / runs.HISTORY).open(encoding="utf-8") as stream:
        lines = [*csv.DictReader(stream)]
    return [{k: float(v or "nan") for k, v in one.items() if k != "seconds"} for one in lines]


def same(one: Path, two: Path, start: Path | None) -> None:
    """Weights and histories within rounding; without a `start` to have moved from, exactly."""
    tolerance = 0.0 if start is None else 1e-5
    weights, others = (load_file(folder / runs.WEIGHTS) for folder in (one, two))
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        if not name.endswith("key.bias"):  # softmax does not see it: the sign of its step is noise
            torch.testing.assert_close(value, others[name], atol=tolerance, rtol=0, msg=name)
    for mine, theirs in zip(history(one), history(two), strict=True):
        assert mine == pytest.approx(theirs, rel=10 * tolerance, abs=0, nan_ok=True)
    if start is not None:
        before = load_file(start / runs.WEIGHTS)
        assert max((v - before[n]).abs().max() for n, v in weights.items() if n in before) > 1e-3


def test_step_2_is_the_same_in_one_two_and_three_processes(
    still_bert: Path, table: Path, tmp_path: Path
) -> None:
    options = ADAPT | {"model": str(still_bert)}
    steep.adapt(table, out=tmp_path / "1", **options)
    two = options | {"out": tmp_path / "2", "devices": 2, "gradient_accumulation_steps": 2}
    printed, said = run(*line("adapt", table, two))
    assert printed == f"{tmp_path / '2'}\n", "the first alone prints"
    assert said.count("2 processes train together") == 1
    assert said.count("adapted checkpoint:") == said.count("documents,") == 1
    run(*line("adapt", table, options | {"out": tmp_path / "3", "devices": 3}))
    for other in ("2", "3"):
        same(tmp_path / "1", tmp_path / other, still_bert)
    names = {file.name for file in (tmp_path / "1").iterdir()}
    assert {file.name for file in (tmp_path / "2").iterdir()} == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.parametrize(
    ("launcher", "way"), [(TORCHRUN, {}), ((), LONG | {"devices": 3})], ids=["torchrun", "long"]
)
def test_a_fit_is_the_same_in_several_processes(
    still_bert: Path, table: Path, tmp_path: Path, launcher: tuple, way: dict
) -> None:
    options = FIT | way | {"model": str(still_bert)}
    printed, _ = run(*launcher, *line("fit", table, options | {"out": tmp_path / "several"}))
    assert printed == f"{tmp_path / 'several'}\n"
    steep.fit(table, out=tmp_path / "one", **options | {"devices": 1})
    same(tmp_path / "one", tmp_path / "several", still_bert)
    for part in ("valid", "test"):
        one, several = (
            pd.read_csv(tmp_path / name / runs.PREDICTIONS / f"{part}.csv")
            for name in ("one", "several")
        )
        assert len(one) % 3, "shares of different sizes"
        pd.testing.assert_frame_equal(one, several, rtol=0, atol=1e-4)


def test_a_run_is_resumed_exactly_by_as_many_processes(
    tiny_bert: Path, table: Path, tmp_path: Path
) -> None:
    options = RESUMED | {"model": str(tiny_bert), "devices": 2, "save_every": 1e-9}
    run(*line("adapt", table, options | {"out": tmp_path / "whole"}))
    words = line("adapt", table, options | {"out": tmp_path / "out"})
    save = runs.unfinished(tmp_path / "out") / runs.SAVE
    with started(*words) as process:
        wait_for(save, process)
        process.terminate()  # not by SIGINT, which shells let jobs in the background ignore
        _, said = process.communicate(timeout=MINUTE)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.count("Stopped. Saved after step") == 1, "by the first, for all"
    alone = {name: value for name, value in options.items() if name != "devices"}
    with pytest.raises(SteepError, match=r"unfinished run with other machine \(processes\)"):
        steep.adapt(table, out=tmp_path / "out", **alone)
    with started(*words) as process:
        wait_for(save, process)
        ended_within_a_minute(process, last_of(process))
    assert save.is_file()
    run(*words)
    same(tmp_path / "whole", tmp_path / "out", None)
    assert not save.exists()


def wait_for(save: Path, process: subprocess.Popen) -> None:
    """Until another save than the one that is there is written."""
    before = save.stat().st_mtime_ns if save.is_file() else 0
    deadline = time.monotonic() + 10 * MINUTE
    while not save.is_file() or save.stat().st_mtime_ns == before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def last_of(process: subprocess.Popen) -> int:
    """The last process that `process` has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[-1])


def ended_within_a_minute(process: subprocess.Popen, victim: int) -> None:
    """Kill one of the processes: all end, and that is said, without a traceback."""
    others = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=MINUTE)
    assert process.returncode == 2
    assert "process 2 of 2 was killed by SIGKILL (most often for lack of memory)" in said
    assert said.count("Error: another process of this run has ended") == 1
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{other}").exists() for other in others)


def test_a_mistake_is_said_once(tiny_bert: Path, table: Path, tmp_path: Path) -> None:
    options = ADAPT | {"model": tiny_bert, "out": tmp_path / "out", "devices": 2, "text": "txet"}
    _, said = run(*line("adapt", table, options), code=2)
    assert said.count("Error:") == said.count("\n") == 1
    assert not any(tmp_path.iterdir())


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_what_a_launcher_says(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch)
    assert told(4) == Ranks()
    own = {"RANK": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    environment(monkeypatch, WORLD_SIZE="3", **own)
    with pytest.raises(SteepError, match="devices 2: but 3 processes were started"):
        told(2)
    assert told(3) == Ranks(2, 3, 0)
    assert told(3) == Ranks(), "it is said once"
    environment(monkeypatch, WORLD_SIZE="3", RANK="0")
    with pytest.raises(SteepError, match="not set: LOCAL_RANK, MASTER_ADDR, MASTER_PORT"):
        told(1)


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the second of three."""
    monkeypatch.setattr(launch, "_here", launch.here())
    become(Ranks(1, 3, 1))


def test_python_starts_no_processes_and_three_fits_are_not_shared(second: None) -> None:
    check_devices(DevicesArgs(devices=3))
    with pytest.raises(SteepError, match="tune: its fits run in one process each"):
        check_devices(DevicesArgs(), tune=True)
    become(Ranks())
    with pytest.raises(SteepError, match="devices 2: Python runs in one process"):
        check_devices(DevicesArgs(devices=2))


def test_a_process_without_a_device_of_its_own_is_told(
    second: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks.check(Machine(torch.device("cpu"), bf16=False, attention="eager"))
    for kind, found in (("cuda", 1), ("mps", 1)):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        machine = Machine(torch.device(kind), bf16=False, attention="sdpa")
        with pytest.raises(SteepError, match=f"there are {found} of type {kind}"):
            ranks.check(machine)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    ranks.check(Machine(torch.device("cuda"), bf16=False, attention="sdpa"))


def test_every_part_is_computed_by_one_process(second: None) -> None:
    def cut(inputs: tuple[Tensor, ...], labels: tuple[Tensor, ...]) -> list[Part]:
        return [Part((one,), (), 0.25) for one in inputs]

    given = tuple(torch.arange(4))
    found = []
    for rank in range(3):
        become(Ranks(rank, 3))
        found += [int(part.inputs[0]) for part in ranks.own_parts(cut)(given, ())]
    assert sorted(found) == [0, 1, 2, 3]
    (none,) = ranks.own_parts(cut)(given[:1], ())
    assert (int(none.inputs[0]), none.share) == (0, 0.0), "the same gradients, counted as nothing"


@pytest.mark.parametrize("count", [7, 2])
def test_every_row_is_computed_by_one_process(
    second: None, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    asked: list[int] = []

    def compute(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows)
        return rows[:, None] + [1.0, 2.0]

    monkeypatch.setattr(dist, "all_reduce", lambda whole: None)
    found = np.zeros((count, 2))
    for rank in range(3):
        become(Ranks(rank, 3))
        found += ranks.by_rows(compute, count)
    np.testing.assert_array_equal(found, np.arange(count)[:, None] + [1.0, 2.0])
    assert sorted(asked) == ([*range(7)] if count == 7 else [0, 0, 1]), "the first once more"
