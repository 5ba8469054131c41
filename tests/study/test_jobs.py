"""Is every job run, tried again when it fails, and told when it fails twice?"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steep.study.jobs import dealt, run_jobs


def once_failing(folder: Path, kill: bool, job: int) -> int:
    """Ten times the job; job 1 fails at its first try, job 2 always."""
    mark = folder / f"tried-{job}"
    first = not mark.exists()
    mark.touch()
    if job == 2 or (job == 1 and first):
        if kill:
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError(f"job {job} does not work")
    return 10 * job


def told(outcomes: Iterator[tuple[int, Any]]) -> dict[int, str]:
    return {job: str(result) for job, result in outcomes}


EXPECTED = {0: "0", 1: "10", 2: "job 2 does not work", 3: "30"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_failed_job_is_tried_again_and_then_told(tmp_path: Path, count: int) -> None:
    assert told(run_jobs(partial(once_failing, tmp_path, False), range(4), count)) == EXPECTED


def test_a_killed_process_takes_no_other_job_along(tmp_path: Path) -> None:
    found = told(run_jobs(partial(once_failing, tmp_path, True), [1, 3], 2))
    assert found == {1: "10", 3: "30"}


def test_a_stop_is_no_failure() -> None:
    def stop(job: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_jobs(stop, [1]))


def test_a_stop_ends_the_processes_too() -> None:
    began, outcomes = time.monotonic(), run_jobs(time.sleep, [0, 300, 300], 2)
    assert next(outcomes) == (0, None)
    outcomes.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()
    assert time.monotonic() - began < 200


def gpu_of(folder: Path, many: int, job: int) -> str | None:
    """The GPU that a process sees; each of so many processes runs one job. Job 9 fails once."""
    mark, deadline = folder / f"{job}-{os.getpid()}", time.monotonic() + 120
    mark.touch()
    while len([*folder.iterdir()]) < many:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if job == 9 and len([*folder.glob("9-*")]) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(("gpus", "expected"), [(2, ["0", "0", "1"]), (0, [None] * 3)])
def test_gpus_are_dealt_to_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, expected: list
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = run_jobs(partial(gpu_of, tmp_path, 3), range(3), 3, gpus)
    assert sorted((gpu for _, gpu in found), key=str) == expected
    assert "CUDA_VISIBLE_DEVICES" not in os.environ, "this process sees what it saw"


def test_a_cell_that_is_run_again_has_a_gpu_too(tmp_path: Path) -> None:
    assert dict(run_jobs(partial(gpu_of, tmp_path, 1), [9], 2, gpus=1)) == {9: "0"}


def test_gpus_are_those_that_this_process_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8932f937")
    assert dealt(3, 2) == ["5", "GPU-8932f937", "5"]
