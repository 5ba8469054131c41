"""Where and in which precision does a run compute?"""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from steep.args import RunArgs
from steep.errors import SteepError
from steep.models import kernels


@dataclass(frozen=True)
class Machine:
    """A device, whether it computes in bf16, and the attention that is fastest on it.

    `fast` tells that Steep's own forms of the layers are used (`steep.models.kernels`).
    """

    device: torch.device
    bf16: bool
    attention: str
    fast: bool = False

    @property
    def autocast(self) -> bool:
        """Whether torch has to choose the precision; the fast layers do so themselves."""
        return self.bf16 and not self.fast

    def prepare(self, model: PreTrainedModel, seed: int) -> PreTrainedModel:
        """`model`, made fast in place where this machine does that; dropout follows from `seed`."""
        if self.fast:
            kernels.keep_freed_memory()
            kernels.install(model, seed, torch.bfloat16 if self.bf16 else torch.float32)
        return model

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
    cpu = device.type == "cpu"
    return Machine(device, bf16, "eager" if cpu else "sdpa", cpu and not args.plain)


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
        return kernels.fast_dtype() == torch.bfloat16
    return False
