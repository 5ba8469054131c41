"""Where and in which precision does a run compute?"""

from dataclasses import dataclass

import torch

from steep.config import RunArgs
from steep.errors import SteepError


@dataclass(frozen=True)
class Machine:
    """A device, whether it computes in bf16, and the attention that is fastest on it."""

    device: torch.device
    bf16: bool
    attention: str

    def __str__(self) -> str:
        return f"{self.device} in {'bf16' if self.bf16 else 'fp32'}"


def choose(args: RunArgs) -> Machine:
    """The machine that the options ask for; SteepError if it is not there."""
    device = _device(args.device)
    native = _has_bf16(device)
    if args.precision == "bf16" and not native:
        raise SteepError(f"precision bf16: this {device.type} has no bf16 units. Use fp32.")
    bf16 = native and args.precision != "fp32"
    # On a CPU the backward pass of SDPA takes more than half of a step at small head sizes.
    return Machine(device, bf16, "eager" if device.type == "cpu" else "sdpa")


def _device(name: str) -> torch.device:
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, there in present.items() if there), "cpu"))
    if not present.get(name, True):
        raise SteepError(f"device {name}: torch finds none on this machine. Use --device cpu.")
    return torch.device(name)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
