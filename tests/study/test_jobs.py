"""Is every job run, tried again when it fails, and told when it fails twice?"""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steep.errors import SteepError
from steep.study.jobs import reach_ray, run_jobs


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


@pytest.mark.parametrize("listens", [False, True], ids=["nobody", "somebody else"])
def test_a_wrong_address_of_a_cluster_is_told_soon(listens: bool) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listens:
            door.listen()
        address = f"127.0.0.1:{door.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(SteepError, match=f"ray {address}: no cluster answers there"):
            reach_ray(address)
    assert time.monotonic() - began < 20


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Ray cluster on this machine: a head that runs nothing, and two workers of one core."""
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield made
    made.shutdown()


def slow(folder: Path, job: int) -> int:
    mark = folder / f"began-{job}-{os.getpid()}"
    mark.touch()
    time.sleep(3)
    mark.rename(folder / f"ended-{job}-{os.getpid()}")
    return 10 * job


def wait_until_busy(folder: Path) -> None:
    """Until two jobs run, and go on for another second at least."""
    deadline = time.monotonic() + 60
    while True:
        running = [*folder.glob("began-*")]
        if len(running) == 2 and all(time.time() - m.stat().st_mtime < 2 for m in running):
            return
        assert time.monotonic() < deadline, "the workers take no further jobs"
        time.sleep(0.05)


def test_jobs_of_a_killed_worker_run_on_the_other(cluster: Any, tmp_path: Path) -> None:
    first, _ = (cluster.add_node(num_cpus=1) for _ in range(2))
    outcomes = run_jobs(partial(slow, tmp_path), range(5), address=cluster.address)
    found = dict([next(outcomes)])
    wait_until_busy(tmp_path)
    cluster.remove_node(first, allow_graceful=False)
    found |= dict(outcomes)
    assert found == {job: 10 * job for job in range(5)}
    assert len(list(tmp_path.iterdir())) > 5, "no job was begun twice: nothing was killed"
