"""Where and in which precision does a run compute, and how does it keep its memory?"""

import ctypes
import platform
import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from steep.args import MachineArgs
from steep.args.training import MemoryArgs
from steep.errors import SteepError
from steep.models import kernels

FP32_ONLY = ("deberta",)  # version 1 masks with the lowest fp32 number, which bf16 does not have


@dataclass(frozen=True)
class Machine:
    """A device, whether it computes in bf16 or fp16, and the attention that is fastest on it.

    Without an `attention` transformers chooses: SDPA, or where a family has none, its own. `fast`
    tells that Steep's own forms of the layers are used (`steep.models.kernels`).
    """

    device: torch.device
    bf16: bool
    attention: str | None
    fast: bool = False
    fp16: bool = False

    @property
    def half(self) -> torch.dtype | None:
        """The type of 16 bits that it computes in, if there is one."""
        if self.fp16:
            return torch.float16
        return torch.bfloat16 if self.bf16 else None

    @property
    def precision(self) -> str:
        """The precision that it computes in, as the option names it."""
        return {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[self.half]

    @property
    def autocast(self) -> torch.dtype | None:
        """What torch has to cast to; the fast layers do so themselves."""
        return None if self.fast else self.half

    def prepare(self, model: PreTrainedModel, seed: int) -> PreTrainedModel:
        """`model`, made fast in place where this machine does that; dropout follows from `seed`.

        Raises SteepError where its family cannot compute in this machine's precision.
        """
        if self.half and model.config.model_type in FP32_ONLY:
            raise SteepError(
                f"{model.name_or_path}: a '{model.config.model_type}' model of transformers cannot "
                f"compute in {self.precision}. Add --precision fp32."
            )
        if self.fast:
            keep_freed_memory()
            kernels.install(model, seed, torch.bfloat16 if self.bf16 else torch.float32)
        return model

    def __str__(self) -> str:
        return f"{self.device} in {self.precision}"


def choose(args: MachineArgs) -> Machine:
    """The machine that the options ask for; SteepError if it is not there."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = _device(args.device)
    native, cpu = _has_bf16(device), device.type == "cpu"
    if args.precision == "bf16" and not native:
        other = "fp32" if cpu else "fp16"
        raise SteepError(f"precision bf16: this {device.type} has no bf16 units. Use {other}.")
    bf16 = native and args.precision in ("auto", "bf16")
    fp16 = args.precision == "fp16" or (
        args.precision == "auto" and not native and device.type == "cuda"
    )
    # On a CPU the backward pass of SDPA takes more than half of a step at small head sizes.
    fast = cpu and not args.plain and not fp16
    return Machine(device, bf16, "eager" if cpu else None, fast, fp16)


def for_checkpointing(machine: Machine, memory: MemoryArgs) -> Machine:
    """`machine`, without the fast layers where activations are recomputed in the backward pass.

    They would draw other dropout in the recomputation than the first time.
    """
    return replace(machine, fast=False) if memory.gradient_checkpointing else machine


def checkpointing_notes(model: PreTrainedModel, memory: MemoryArgs) -> list[str]:
    """What the user should know of gradient checkpointing, if it was asked for.

    Raises SteepError where the model does not support it.
    """
    if not memory.gradient_checkpointing:
        return []
    if not model.supports_gradient_checkpointing:
        raise SteepError(
            f"{model.name_or_path}: a '{model.config.model_type}' model does not support gradient "
            "checkpointing. Leave gradient_checkpointing out."
        )
    return ["gradient checkpointing: activations are computed twice, by Hugging Face's own layers"]


def checkpoint_gradients(model: PreTrainedModel, memory: MemoryArgs) -> None:
    """Let `model` recompute each layer's activations in the backward pass, if that is asked for.

    The recomputation has the dropout of the forward pass. Raises SteepError as above.
    """
    if checkpointing_notes(model, memory):
        with warnings.catch_warnings():  # its new name is younger than transformers 5.0
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})


def _device(name: str) -> torch.device:
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, there in present.items() if there), "cpu"))
    if not present.get(name, True):
        raise SteepError(f"device {name}: torch finds none on this machine. Use --device cpu.")
    return torch.device(name)


def gpus(args: MachineArgs) -> int:
    """How many GPUs of this machine the options let be used."""
    return torch.cuda.device_count() if args.device in ("auto", "cuda") else 0


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return kernels.fast_dtype() == torch.bfloat16
    return False


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h


def keep_freed_memory() -> bool:
    """Reuse freed blocks of up to 1 GB, for as long as the process lives.

    glibc maps every block above 32 MB anew, and unmaps it when it is freed. Logits, the gradient of
    the embeddings and attention scores are such blocks, and page faults cost more than the
    arithmetic (adding two tensors of 50 MB takes 48 ms with them, 13 ms without). Returns whether
    that could be arranged: only glibc has such a setting.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt  # None: the C library that this process runs on
    # Both are needed: the first against mmap for each block, the second against a shrinking heap.
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def sent(batch: tuple[Tensor, ...], device: torch.device) -> tuple[Tensor, ...]:
    """A batch on its way to a GPU, by a copy that nobody waits for; elsewhere as it is.

    fastai's own waits until the GPU has done all that it was given before.
    """
    if device.type != "cuda":
        return batch
    return tuple(part.pin_memory().to(device, non_blocking=True) for part in batch)
