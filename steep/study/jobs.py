"""How are the cells of a study run? One by one, in several processes, or on a Ray cluster."""

import multiprocessing
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar

from steep.errors import SteepError

Job = TypeVar("Job")
Result = TypeVar("Result")
TRIES = 2
PATIENCE = 10.0  # seconds that a Ray cluster has to answer; Ray itself would wait for minutes


def run_jobs(
    work: Callable[[Job], Result], jobs: Sequence[Job], count: int = 1, address: str | None = None
) -> Iterator[tuple[Job, Result | Exception]]:
    """Every job with what it gave, or with the error in which it ended a second time.

    On the Ray cluster at `address`, or else in `count` processes. `work` and the jobs go to other
    processes, so they have to be picklable. Raises SteepError where no cluster can be reached.
    """
    if address is not None:
        return on_ray(work, jobs, address)
    return in_processes(work, jobs, count) if count > 1 else one_by_one(work, jobs)


def one_by_one(
    work: Callable[[Job], Result], jobs: Sequence[Job]
) -> Iterator[tuple[Job, Result | Exception]]:
    """The jobs, one by one."""
    for job in jobs:
        found = _tried(work, job)
        yield job, _tried(work, job) if isinstance(found, Exception) else found


def _tried(work: Callable[[Job], Result], job: Job) -> Result | Exception:
    try:
        return work(job)
    except Exception as error:  # whatever went wrong: it is tried again, then reported
        return error


def in_processes(
    work: Callable[[Job], Result], jobs: Sequence[Job], count: int
) -> Iterator[tuple[Job, Result | Exception]]:
    """The jobs in `count` processes, as they end; a process that dies takes no other job along."""
    left = list(jobs)
    for _ in range(TRIES):
        failed: dict[Job, Exception] = {}
        with _processes(count) as pool:
            futures = {pool.submit(work, job): job for job in left}
            for future in as_completed(futures):
                if isinstance(error := future.exception(), Exception):
                    failed[futures[future]] = error
                else:
                    yield futures[future], future.result()
        left = list(failed)
    yield from ((job, _plain(why)) for job, why in failed.items())


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with their work, at once where a signal stops it."""
    others = {*multiprocessing.active_children()}
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        finally:
            for process in {*multiprocessing.active_children()} - others:
                process.terminate()


def on_ray(
    work: Callable[[Job], Result], jobs: Sequence[Job], address: str
) -> Iterator[tuple[Job, Result | Exception]]:
    """The jobs as tasks of a Ray cluster, as they end; one whose machine dies runs elsewhere."""
    engine = reach_ray(address)
    try:
        engine.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _silent(address, error) from None

    def task(job: Job) -> Result:  # Ray takes functions only, and `work` may be a partial
        return work(job)

    remote = engine.remote(max_retries=TRIES, retry_exceptions=False)(task)
    tasks = {remote.remote(job): job for job in jobs}
    tried: dict[Job, int] = dict.fromkeys(jobs, 1)
    try:
        while tasks:
            (done, *_), _ = engine.wait(list(tasks), num_returns=1)
            job = tasks.pop(done)
            try:
                yield job, engine.get(done)
            except engine.exceptions.RayError as error:  # also what the job raised
                if tried[job] == TRIES:
                    yield job, error
                    continue
                tried[job] += 1
                tasks[remote.remote(job)] = job
    finally:
        engine.shutdown()


def reach_ray(address: str) -> ModuleType:
    """Ray itself, once something answers at `address`; SteepError if nothing does, in seconds."""
    try:
        import ray as engine
    except ImportError:
        raise SteepError("ray is not installed: pip install 'steep[ray]'.") from None
    try:
        _knock(address)
    except (OSError, subprocess.SubprocessError) as error:
        raise _silent(address, error) from None
    return engine


def _knock(address: str) -> None:
    """Raise OSError or SubprocessError where nothing, or something other than Ray, listens.

    Names without a port (local, auto) are left to Ray, which answers at once.
    """
    found = re.fullmatch(r"(ray://)?\[?([^/\s]+?)\]?:(\d+)", address)
    if found is None:
        return
    socket.create_connection((found[2], int(found[3])), PATIENCE / 2).close()
    if not found[1]:  # a Ray client's port has no such check, and gives up by itself
        ask = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        subprocess.run(ask, capture_output=True, timeout=PATIENCE, check=True)


def _silent(address: str, error: Exception) -> SteepError:
    why = str(error).strip().partition("\n")[0]
    if isinstance(error, subprocess.SubprocessError):
        why = "something other than a Ray head listens there"
    return SteepError(
        f"ray {address}: no cluster answers there ({why}). Start one with 'ray start --head', or "
        "leave the option out."
    )


def _plain(error: Exception) -> Exception:
    if isinstance(error, BrokenProcessPool):
        return RuntimeError("its process was killed (most often for lack of memory)")
    return error
