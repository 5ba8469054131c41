"""Is the machine the one asked for, and a missing one a clear message?"""

import pytest
import torch

from steep.args import RunArgs
from steep.errors import SteepError
from steep.models import devices
from steep.models.devices import choose


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SteepError, match=f"device {name}.*--device cpu"):
        choose(RunArgs(device=name))
    assert choose(RunArgs()).device == torch.device("cpu")


def test_the_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    machine = choose(RunArgs())
    assert (machine.device.type, machine.bf16, machine.attention) == ("cuda", True, "sdpa")
    assert choose(RunArgs(device="cpu")).device.type == "cpu"


def test_bf16_is_used_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for native in (True, False):
        monkeypatch.setattr(devices, "_has_bf16", lambda device, native=native: native)
        assert choose(RunArgs(device="cpu")).bf16 is native
        assert choose(RunArgs(device="cpu", precision="fp32")).bf16 is False
    with pytest.raises(SteepError, match="precision bf16"):
        choose(RunArgs(device="cpu", precision="bf16"))
    assert str(choose(RunArgs(device="cpu"))) == "cpu in fp32"
