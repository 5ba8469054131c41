"""How does a classifier become an ONNX file, and how does ONNX Runtime compute it?

Exported by `torch.export` (dynamo): the older tracer bakes the attention mask of its example rows
into the graph, and rows of other lengths then come out wrong (seen with torch 2.13 and transformers
5.23).
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.models import inference

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


class Logits(nn.Module):
    """`input_ids`, `attention_mask` and perhaps `token_type_ids`, each (rows, length) -> logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(**dict(zip(INPUTS, inputs, strict=False))).logits


def check_onnx_installed() -> None:
    """Raises SteepError if a package of the extra is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise SteepError(f"ONNX needs {', '.join(missing)}: pip install 'steep[onnx]'")


def write_onnx(model: nn.Module, rows: Rows, file: Path) -> None:
    """Write `model` (plain, fp32, on the CPU) to `file`; batch size and length stay dynamic.

    Two of `rows` are the example that the graph is taken from. Raises SteepError for an
    architecture that cannot be exported.
    """
    order = np.argsort(-rows.lengths, kind="stable")[:2]
    example, _ = rows.collate([rows[int(i)] for i in np.resize(order, 2)])
    inputs = tuple(torch.from_numpy(channel.copy()) for channel in example.swapaxes(0, 1))
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _quietly(), torch.no_grad():
            torch.onnx.export(
                Logits(model).eval(),
                inputs,
                file,
                input_names=list(INPUTS[: len(inputs)]),
                output_names=["logits"],
                dynamic_shapes=(tuple(dynamic for _ in inputs),),
                dynamo=True,
                external_data=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SteepError(f"this architecture cannot be exported to ONNX: {reason}") from error


def write_int8(file: Path, out: Path) -> None:
    """Write the ONNX file `file` to `out` with int8 weights; activations are quantised dynamically.

    onnxruntime's dynamic quantisation: one scale a matrix, and no calibration data.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(file, out, weight_type=QuantType.QInt8)


def predict_with_onnx(file: Path, rows: Rows, batch_size: int) -> np.ndarray:
    """Probabilities (rows, labels), or targets (rows,), in the order of the corpus."""
    return inference.in_batches(_logits(file), rows, batch_size)


def _logits(file: Path) -> Callable[[np.ndarray], Tensor]:
    """The file as a function, on as many cores as torch uses; SteepError if it cannot be read."""
    check_onnx_installed()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise SteepError(
            f"{file}: ONNX Runtime cannot read it ({type(error).__name__}). Export it again."
        ) from None
    names = [given.name for given in session.get_inputs()]

    def compute(inputs: np.ndarray) -> Tensor:
        given: dict[str, Any] = dict(zip(names, inputs.swapaxes(0, 1), strict=True))
        return torch.from_numpy(session.run(None, given)[0])

    return compute


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' own progress bars and advice, which are meant for their developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
