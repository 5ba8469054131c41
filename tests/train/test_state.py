"""Does a state come back from its file as it went in?"""

from pathlib import Path

import pytest
import torch

from steep.errors import SteepError
from steep.train.state import read_state, read_state_header, write_state


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {
        "numbers": [0.1, 1 / 3, float("-inf"), 7],
        "deep": {"tensor": torch.randn(3, 2), "flag": torch.tensor([True]), "text": "a/b"},
        "bytes": torch.get_rng_state(),
        "empty": {},
    }
    write_state(tmp_path / "save", state)
    found = read_state(tmp_path / "save")
    assert found["numbers"] == state["numbers"]
    for name in ("tensor", "flag"):
        assert torch.equal(found["deep"][name], state["deep"][name])
    assert torch.equal(found["bytes"], state["bytes"])
    assert (found["deep"]["text"], found["empty"]) == ("a/b", {})


def test_half_a_file_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "save"
    write_state(path, {"tensor": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-100])
    for read in (read_state, read_state_header):
        with pytest.raises(SteepError, match="save: this save is damaged"):
            read(path)
