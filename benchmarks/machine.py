"""On which machine was this measured? Its processor, its versions, its peak in matrix products."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("steep", "torch", "transformers", "accelerate", "fastai", "onnxruntime")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")
PRODUCTS = ((4096, 384, 1536), (4096, 768, 3072), (2048, 2048, 2048))  # rows, inner, columns
TRIES = 20


def facts(threads: int) -> dict[str, Any]:
    """What a reader has to know about the machine."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _field("model name") or platform.processor() or platform.machine(),
        "gpu": gpu,
        "cores": os.cpu_count(),
        "threads": threads,
        "flags": [flag for flag in FLAGS if flag in _field("flags").split()],
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _field(name: str) -> str:
    """A field of /proc/cpuinfo, for the first core; empty where there is no such file."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = (line.partition(":")[2].strip() for line in lines if line.split("\t")[0] == name)
    return next(found, "")


def peaks(threads: int, device: str, bf16: bool) -> dict[str, float]:
    """Precision -> highest GFLOP/s that torch reaches in a few large products on this machine.

    bf16 only if asked for: a processor that has to emulate it would take many minutes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    kinds = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if bf16 else {})
    found = {
        name: round(max(_rate(product, dtype, device) for product in PRODUCTS) / 1e9, 1)
        for name, dtype in kinds.items()
    }
    torch.set_num_threads(before)
    return found


def _rate(product: tuple[int, int, int], dtype: torch.dtype, device: str) -> float:
    """Operations a second of the fastest of some products."""
    rows, inner, columns = product
    left = torch.randn(rows, inner, device=device).to(dtype)
    right = torch.randn(inner, columns, device=device).to(dtype)
    return 2 * rows * inner * columns / min(_seconds(left, right) for _ in range(TRIES))


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    started = time.perf_counter()
    _ = left @ right
    if left.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started
