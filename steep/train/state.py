"""How does the state of a training become one file, and come back from it?

A safetensors file: tensors as they are, and everything else as JSON in its header, with a checksum
of both. Nothing pickled.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from steep.errors import SteepError

State = dict[str, Any]  # plain JSON values and tensors, in dictionaries in dictionaries
TENSOR = "tensor of this file"  # stands in the JSON where a tensor was


def write_state(path: Path, state: State) -> None:
    """`state` as one safetensors file, on the disk when this returns."""
    tensors: dict[str, Tensor] = {}
    content = json.dumps(_without_tensors(state, "", tensors))
    header = {"state": content, "checksum": _checksum(content, tensors)}
    save_file(tensors, path, metadata=header)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def read_state(path: Path) -> State:
    """The state that was written to `path`, tensors on the CPU; SteepError if it is damaged."""
    content, tensors = _checked(path)
    return _with_tensors(json.loads(content), "", tensors)


def read_state_header(path: Path) -> State:
    """The state without its tensors; SteepError if anything in the file is damaged."""
    return json.loads(_checked(path)[0])


def _checked(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The JSON and the tensors of a file, if they are those that were written."""
    try:
        with safe_open(path, "pt") as stream:
            header = stream.metadata() or {}
        tensors = load_file(path)
    except (OSError, SafetensorError):
        header, tensors = {}, {}
    content = header.get("state", "")
    if header.get("checksum") != _checksum(content, tensors):
        raise SteepError(
            f"{path}: this save is damaged, so the run cannot be resumed as it was. Put an "
            "undamaged copy back, or add --overwrite to start anew."
        )
    return content, tensors


def _checksum(content: str, tensors: dict[str, Tensor]) -> str:
    """A hash of the JSON, and of the tensors with their names, types and shapes."""
    digest = hashlib.blake2b(content.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous()
        return TENSOR
    if isinstance(value, dict):
        return {k: _without_tensors(v, f"{path}/{k}", tensors) for k, v in value.items()}
    return value


def _with_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if value == TENSOR:
        return tensors[path].clone()
    if isinstance(value, dict):
        return {k: _with_tensors(v, f"{path}/{k}", tensors) for k, v in value.items()}
    return value
