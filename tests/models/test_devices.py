"""Is the machine the one asked for, or a clear message, and is freed memory used again?"""

import platform
import subprocess
import sys

import pytest
import torch

from steep.args import MachineArgs
from steep.args.training import MemoryArgs
from steep.errors import SteepError
from steep.models import devices
from steep.models.devices import Machine, choose, for_checkpointing


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SteepError, match=f"device {name}.*--device cpu"):
        choose(MachineArgs(device=name))
    assert choose(MachineArgs()).device == torch.device("cpu")


def test_the_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    machine = choose(MachineArgs())
    assert (machine.device.type, machine.bf16, machine.attention) == ("cuda", True, None)
    assert choose(MachineArgs(device="cpu")).device.type == "cpu"


def test_bf16_is_used_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for native in (True, False):
        monkeypatch.setattr(devices, "_has_bf16", lambda device, native=native: native)
        assert choose(MachineArgs(device="cpu")).bf16 is native
        assert choose(MachineArgs(device="cpu", precision="fp32")).bf16 is False
    with pytest.raises(SteepError, match="precision bf16"):
        choose(MachineArgs(device="cpu", precision="bf16"))
    assert str(choose(MachineArgs(device="cpu"))) == "cpu in fp32"


def test_without_the_fast_layers_where_activations_are_recomputed() -> None:
    machine = Machine(torch.device("cpu"), bf16=True, attention="eager", fast=True)
    assert for_checkpointing(machine, MemoryArgs()) is machine
    found = for_checkpointing(machine, MemoryArgs(gradient_checkpointing=True))
    assert (found.fast, found.bf16, found.autocast) == (False, True, torch.bfloat16)


SCRIPT = """
import resource
import torch
from steep.models.devices import keep_freed_memory

def faults_of_a_large_tensor():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults_of_a_large_tensor()
assert keep_freed_memory()
print(before, faults_of_a_large_tensor())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has the setting")
def test_large_tensors_use_freed_memory_again():
    """In a process of its own: the setting holds for the rest of the process."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    before, after = map(int, found.stdout.split())
    assert after < before / 3  # some blocks do not fit at first, small ones lying in between
