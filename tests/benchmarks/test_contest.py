"""Do contestants take turns in processes of their own, and is a failure reported?"""

from typing import Any

import pytest

from benchmarks.contest import Contestant, Turns, contest


def count(number: int, turns: Turns) -> dict[str, Any]:
    """A contestant: four steps of `number` tokens."""
    turns.ready()
    for _ in range(4):
        turns.step(number)
    return {"loss": 0.5}


def fail(number: int, turns: Turns) -> dict[str, Any]:
    """A contestant that breaks down."""
    raise ValueError("no such thing")


def test_turns_are_taken_and_added_up() -> None:
    entries = [Contestant("stock", count, 10), Contestant("steep", count, 30)]
    scores = contest(entries, rounds=1, steps=2, threads=1)
    assert [tokens for tokens, _ in scores["steep"].turns] == [60, 60]
    assert scores["stock"].result["memory"]["resident"] > 1


def test_a_contestant_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)stock failed.*no such thing"):
        contest([Contestant("stock", fail, 0)], rounds=1, steps=1, threads=1)
