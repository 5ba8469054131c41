"""How do contestants share a machine fairly? Each in a process of its own, one working at a time.

A turn is a number of steps. While one contestant takes its turn, the others wait, so whatever else
the machine does slows all of them alike; ratios are taken within a round of turns.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steep.console import say


@dataclass(frozen=True)
class Contestant:
    """`run(job, turns)` works, calls `turns.step` after every step, and returns its results."""

    name: str
    run: Callable[[Any, "Turns"], dict[str, Any]]
    job: Any


class Turns:
    """A contestant's side: when may it work, and how long did its steps take?"""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.left, self.started = 0, 0.0
        self.tokens: int | Tensor = 0
        self.memory: dict[str, float] = {}

    def ready(self) -> None:
        """Everything is set up: wait for the first turn."""
        self.pipe.send(None)
        self._wait()

    def step(self, tokens: int | Tensor) -> None:
        """A step with so many tokens of real text is done; waits where the turn has ended.

        A count that a GPU is still computing is not waited for before the end of the turn.
        """
        self.tokens, self.left = self.tokens + tokens, self.left - 1
        if self.left:
            return
        count = int(self.tokens)  # on a GPU, this waits for the steps, too
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.pipe.send((count, time.perf_counter() - self.started))
        self._wait()

    def _wait(self) -> None:
        self.left = self.pipe.recv()
        if not self.left:
            self.memory = peak_memory()
        self.tokens, self.started = 0, time.perf_counter()


def peak_memory() -> dict[str, float]:
    """Peak resident memory of this process so far, and peak memory on its GPU, in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    found = {"resident": int(lines["VmHWM"].split()[0]) / 1024}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.max_memory_allocated() / 2**20
    return found


@dataclass
class Score:
    """What a contestant did: (tokens, seconds) of each turn, of which the first is a warm-up."""

    turns: list[tuple[int, float]]
    result: dict[str, Any]

    @property
    def rates(self) -> list[float]:
        """Tokens of real text a second, in each turn but the first."""
        return [tokens / seconds for tokens, seconds in self.turns[1:]]


def contest(
    contestants: list[Contestant], rounds: int, steps: int, threads: int
) -> dict[str, Score]:
    """Name -> score, after a warm-up round and `rounds` rounds, with `steps` steps in each turn.

    Raises RuntimeError, with the traceback, when a contestant fails.
    """
    with _processes(contestants, threads) as pipes:
        scores = {name: Score([], {}) for name in pipes}
        for number in range(rounds + 1):
            names = list(pipes)
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                pipes[name].send(steps)
                scores[name].turns.append(_receive(name, pipes[name]))
            say(f"  round {number} of {rounds} is done")
        for name, pipe in pipes.items():
            pipe.send(0)
            scores[name].result = _receive(name, pipe)
    return scores


@contextmanager
def _processes(contestants: list[Contestant], threads: int) -> Iterator[dict[str, Connection]]:
    """Sets contestants up one after another; gives the pipes to them, as they wait for turns."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when a contestant imports torch
    with ExitStack() as stack:
        pipes = {}
        for contestant in contestants:
            pipes[contestant.name] = stack.enter_context(_process(contestant, threads))
            _receive(contestant.name, pipes[contestant.name])
            say(f"  {contestant.name} is set up")
        yield pipes


@contextmanager
def _process(contestant: Contestant, threads: int) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, contestant, threads), daemon=True)
    process.start()
    there.close()  # or else the end of the process would go unnoticed
    try:
        yield here
    finally:
        process.terminate()
        process.join()


def _work(pipe: Connection, contestant: Contestant, threads: int) -> None:
    """What the process of a contestant does."""
    torch.set_num_threads(threads)
    turns = Turns(pipe)
    try:
        result = contestant.run(contestant.job, turns)
    except Exception:  # whatever it is, the contest has to show it
        pipe.send({"failed": traceback.format_exc()})
    else:
        pipe.send(result | {"memory": turns.memory})


def _receive(name: str, pipe: Connection) -> Any:
    try:
        found = pipe.recv()
    except EOFError:
        raise RuntimeError(f"{name}: its process ended without a message; out of memory?") from None
    if isinstance(found, dict) and "failed" in found:
        raise RuntimeError(f"{name} failed:\n{found['failed']}")
    return found
