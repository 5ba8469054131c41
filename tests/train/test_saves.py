"""Is there always one whole save, of this run and no other, that comes back as it went in?"""

from pathlib import Path

import pytest
import torch

from steep import runs
from steep.errors import SteepError, Stopped
from steep.train.saves import HALF, Saves, open_saves, read_state, read_state_header, write_state

STATE = {"phase": "adapting", "train_iter": 3, "total": 9, "weights": {"w": torch.ones(2)}}


def test_a_broken_save_is_named(tmp_path: Path) -> None:
    unfinished = runs.unfinished(tmp_path / "out")
    unfinished.mkdir()
    (unfinished / runs.SAVE).write_bytes(b"\x00" * 100)
    (unfinished / "mine.txt").write_text("not Steep's")
    with pytest.raises(SteepError, match="this save is damaged.*--overwrite to start anew"):
        open_saves(tmp_path / "out", 5, {}, overwrite=False)
    assert open_saves(tmp_path / "out", 5, {}, overwrite=True).found is None
    assert [path.name for path in unfinished.iterdir()] == ["mine.txt"]


def saved(out: Path, identity: dict) -> Saves:
    saves = open_saves(out, 5, identity, overwrite=False)
    assert saves.save(STATE)
    return saves


@pytest.mark.parametrize("place", ["identity", "step", "tensor", "end"])
def test_one_changed_byte_of_a_save_is_found_before_it_is_resumed(
    tmp_path: Path, place: str
) -> None:
    """A byte of the header that is still JSON, and one of the tensors, which are only numbers."""
    file = saved(tmp_path / "out", {"options": {"epochs": 1}}).file
    content = file.read_bytes()
    changed = {
        "identity": content.replace(b'\\"epochs\\": 1', b'\\"epochs\\": 2'),
        "step": content.replace(b'\\"train_iter\\": 3', b'\\"train_iter\\": 4'),
        "tensor": content[:-1] + b"\x40",
        "end": content[:-1],
    }[place]
    assert changed != content
    file.write_bytes(changed)
    with pytest.raises(SteepError, match=r"save\.safetensors: this save is damaged, so the run"):
        open_saves(tmp_path / "out", 5, {"options": {"epochs": 1}}, overwrite=False)
    with pytest.raises(SteepError, match="this save is damaged"):
        read_state(file)
    assert file.read_bytes() == changed
    assert open_saves(tmp_path / "out", 5, {}, overwrite=True).found is None
    assert not file.exists()


def test_what_kills_left_of_saves_goes_with_the_next_save_and_with_the_last(tmp_path: Path) -> None:
    unfinished, saves = runs.unfinished(tmp_path / "out"), saved(tmp_path / "out", {})
    for _ in range(2):
        (unfinished / HALF).mkdir()
        (unfinished / HALF / ".tmpX7").write_bytes(b"half of a save, as safetensors names it")
        assert saves.save(STATE)
        assert [path.name for path in unfinished.iterdir()] == [runs.SAVE]
    (unfinished / HALF).mkdir()
    saves.remove()
    assert not unfinished.exists()


def test_a_failed_save_leaves_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    resource = pytest.importorskip("resource", reason="a limit on file sizes needs Unix")
    saves = saved(tmp_path / "out", {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        large = STATE | {"weights": {"w": torch.zeros(10_000)}}
        assert not saves.save(large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "could not save, so a kill would lose more work" in capsys.readouterr().err
    assert [path.name for path in saves.file.parent.iterdir()] == [runs.SAVE]
    assert torch.equal(read_state(saves.file)["weights"]["w"], torch.ones(2))


def test_another_run_is_refused_by_what_sets_it_apart(tmp_path: Path) -> None:
    saved(tmp_path / "out", {"options": {"epochs": 1, "seed": 0}, "data": {"train": "a"}})
    other = {
        r"other options \(epochs\)": {"options": {"epochs": 2, "seed": 0}, "data": {"train": "a"}},
        r"other data \(train\)": {"options": {"epochs": 1, "seed": 0}, "data": {"train": "b"}},
    }
    for words, identity in other.items():
        with pytest.raises(SteepError, match=rf"{words}.*Repeat its options.*--overwrite"):
            open_saves(tmp_path / "out", 5, identity, overwrite=False)


def test_ctrl_c_between_the_saves_names_the_save_that_is_kept(tmp_path: Path) -> None:
    saves = Saves(runs.unfinished(tmp_path / "out"), 5)
    with pytest.raises(KeyboardInterrupt, match="^$"), saves.explain_interrupt():
        raise KeyboardInterrupt
    saved(tmp_path / "out", {})
    for interrupt, number in ((KeyboardInterrupt(), 2), (Stopped(number=15), 15)):
        with (
            pytest.raises(Stopped, match="is kept. Run the same command") as stopped,
            saves.explain_interrupt(),
        ):
            raise interrupt
        assert stopped.value.number == number


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
