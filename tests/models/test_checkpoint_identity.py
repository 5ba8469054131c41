"""Is a checkpoint told from another one of the same name, and from a copy not?"""

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from steep.errors import SteepError
from steep.models import checkpoint_identity as module
from steep.models.checkpoint_identity import checkpoint_identity


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def test_a_copy_is_the_same_and_other_files_do_not_count(tiny_bert: Path, copy: Path) -> None:
    known = checkpoint_identity(tiny_bert)
    assert len(known) == 32
    (copy / "README.md").write_text("a card")
    (copy / "steep.json").write_text("{}")
    assert checkpoint_identity(copy) == checkpoint_identity(str(copy)) == known


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_what_makes_it_what_it_is_counts(tiny_bert: Path, copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    assert checkpoint_identity(copy) != checkpoint_identity(tiny_bert)


def test_one_weight_counts(tiny_bert: Path, copy: Path) -> None:
    file = copy / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)  # of the same size
    assert checkpoint_identity(copy) != checkpoint_identity(tiny_bert)


def test_of_large_files_header_and_blocks_are_looked_at(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE", 10_000)
    monkeypatch.setattr(module, "BLOCK", 64)
    file = copy / "model.safetensors"
    weights = load_file(file)
    known = checkpoint_identity(copy)
    assert checkpoint_identity(copy) == known
    save_file({name: value * 1.01 for name, value in weights.items()}, file)
    trained = checkpoint_identity(copy)
    save_file(dict(sorted(weights.items(), reverse=True)), file, {"format": "np"})
    assert len({known, trained, checkpoint_identity(copy)}) == 3


def test_what_is_no_checkpoint_has_none(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="no such folder"):
        checkpoint_identity(tmp_path / "none" / "such")
