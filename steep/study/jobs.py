"""How are the cells of a study run on this machine? One by one, or in several processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
TRIES = 2
VISIBLE = "CUDA_VISIBLE_DEVICES"  # CUDA's own: the GPUs that a process sees, by name or number


def run_jobs(
    work: Callable[[Job], Result], jobs: Sequence[Job], count: int = 1, gpus: int = 0
) -> Iterator[tuple[Job, Result | Exception]]:
    """Every job with what it gave, or with the error in which it ended a second time.

    In `count` processes, to which `gpus` of this machine are dealt. `work` and the jobs go to other
    processes, so they have to be picklable.
    """
    return in_processes(work, jobs, count, gpus) if count > 1 else one_by_one(work, jobs)


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
    work: Callable[[Job], Result], jobs: Sequence[Job], count: int, gpus: int = 0
) -> Iterator[tuple[Job, Result | Exception]]:
    """The jobs in `count` processes, as they end; a process that dies takes no other job along.

    Each process sees one of the `gpus`, alone, or with others where there are more processes.
    """
    left = list(jobs)
    for _ in range(TRIES):
        failed: dict[Job, Exception] = {}
        with _processes(count, gpus) as pool:
            futures = {pool.submit(work, job): job for job in left}
            for future in as_completed(futures):
                if isinstance(error := future.exception(), Exception):
                    failed[futures[future]] = error
                else:
                    yield futures[future], future.result()
        left = list(failed)
    yield from ((job, _plain(why)) for job, why in failed.items())


@contextmanager
def _processes(count: int, gpus: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with their work, at once where a signal stops it."""
    others, context = {*multiprocessing.active_children()}, multiprocessing.get_context("spawn")
    hand: SimpleQueue[str | None] = context.SimpleQueue()
    for device in dealt(count, gpus):
        hand.put(device)
    with ProcessPoolExecutor(count, context, _take, (hand,)) as pool:
        try:
            yield pool
        finally:
            for process in {*multiprocessing.active_children()} - others:
                process.terminate()


def dealt(count: int, gpus: int) -> list[str | None]:
    """The GPU of each of `count` processes by CUDA's name for it; None where there is none."""
    if not gpus:
        return [None] * count
    seen = os.environ.get(VISIBLE)
    names = seen.split(",") if seen else [*map(str, range(gpus))]
    return [names[number % gpus] for number in range(count)]


def _take(hand: "SimpleQueue[str | None]") -> None:
    """Take a GPU, as the first thing that a process does: once CUDA has begun it is too late."""
    if (device := hand.get()) is not None:
        os.environ[VISIBLE] = device


def _plain(error: Exception) -> Exception:
    if isinstance(error, BrokenProcessPool):
        return RuntimeError("its process was killed (most often for lack of memory)")
    return error
