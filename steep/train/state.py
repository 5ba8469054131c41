"""How does the state of a training become one file, and come back from it?

A safetensors file: tensors as they are, and everything else as JSON in its header. Nothing pickled.
"""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from steep.errors import SteepError

State = dict[str, Any]  # plain JSON values and tensors, in dictionaries in dictionaries
TENSOR = "tensor of this file"  # stands in the JSON where a tensor was


def write_state(path: Path, state: State) -> None:
    """`state` as one safetensors file, on the disk when this returns."""
    tensors: dict[str, Tensor] = {}
    header = {"state": json.dumps(_without_tensors(state, "", tensors))}
    save_file(tensors, path, metadata=header)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def read_state(path: Path) -> State:
    """The state that was written to `path`, tensors on the CPU."""
    header = read_state_header(path)
    if header is None:
        raise SteepError(f"{path}: this save cannot be read. Add --overwrite to start anew.")
    tensors = load_file(path)
    return _with_tensors(header, "", tensors)


def read_state_header(path: Path) -> State | None:
    """The state without its tensors; None if the file is not whole."""
    try:
        with safe_open(path, "pt") as stream:
            return json.loads(stream.metadata()["state"])
    except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError):
        return None


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().contiguous()
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
