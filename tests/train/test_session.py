"""Is a run that was killed resumed only from the checkpoint that it began with?"""

import shutil
from pathlib import Path

import torch

from steep.models.devices import Machine
from steep.train.session import identity

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")


def test_another_checkpoint_at_the_same_path_is_another_run(
    tiny_bert: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    options = {"model": str(model), "base": str(tiny_bert), "seed": 0}
    known = identity(options, {}, CPU)
    assert known == identity(options, {}, CPU)
    assert [*known["checkpoints"]] == ["model", "base"]
    assert known["checkpoints"]["model"] == known["checkpoints"]["base"], "a copy"
    file = model / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    other = identity(options, {}, CPU)
    assert {name for name in known if known[name] != other[name]} == {"checkpoints"}
    assert identity({"base": None, "seed": 0}, {}, CPU)["checkpoints"] == {}
