"""Is every operation of a step counted once, under its kind?"""

import time
from typing import Any

import torch

from benchmarks import profile
from benchmarks.contest import Turns


def squares(size: int, turns: Turns) -> None:
    matrix = torch.randn(size, size)
    for _ in range(profile.WARM + profile.STEPS + 1):
        _ = matrix @ matrix
        time.sleep(0.01)
        turns.step(1)


def test_the_kinds_add_up_to_a_step() -> None:
    found: dict[str, Any] = profile.steps(squares, 300)
    whole = found.pop("a step")
    assert abs(sum(found.values()) - whole) < 1e-6
    assert found["matrix products"] > 0
    assert whole > found["Python, data, waiting"] > 9, "the sleep is nobody's operation"


def test_operations_are_known_by_their_names() -> None:
    kinds = {"aten::baddbmm": "matrix products", "_softmax_backward_data": "softmax"}
    kinds |= {"aten::add_": "element by element", "aten::addmm": "matrix products"}
    kinds |= {"_AttentionBackward": [*profile.KINDS][-1], "aten::view": profile.REST}
    assert {name: profile.kind(name) for name in kinds} == kinds
