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
from transformers import PreTrainedModel

from steep.console import say
from steep.data.inputs import Rows
from steep.errors import SteepError
from steep.models import heads
from steep.models.checkpoint_files import checkpoint_identity
from steep.models.heads import CHANNELS, channels_of
from steep.wording import brief, some

MADE_FROM = "steep_checkpoint"  # where an ONNX file says which checkpoint it was exported from
FATAL = 4  # of ONNX Runtime's own messages: what is wrong is said once, by Steep
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


class Logits(nn.Module):
    """The channels of a batch that the model knows, each (rows, length) -> logits."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def check_onnx_installed() -> None:
    """Raises SteepError if a package of the extra is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise SteepError(f"ONNX needs {', '.join(missing)}: pip install 'steep[onnx]'")


def write_onnx(model: PreTrainedModel, rows: Rows, file: Path) -> None:
    """Write `model` (plain, fp32, on the CPU) to `file`; batch size and length stay dynamic.

    Two of `rows` are the example that the graph is taken from. Raises SteepError for an
    architecture that cannot be exported.
    """
    order = np.argsort(-rows.lengths, kind="stable")[:2]
    example, _ = rows.collate([rows[int(i)] for i in np.resize(order, 2)])
    given = _named(example)
    names = tuple(name for name in channels_of(model) if name in given)
    inputs = tuple(torch.from_numpy(given[name].copy()) for name in names)
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _quietly(), torch.no_grad():
            torch.onnx.export(
                Logits(model, names).eval(),
                inputs,
                file,
                input_names=list(names),
                output_names=["logits"],
                dynamic_shapes=(tuple(dynamic for _ in inputs),),
                dynamo=True,
                external_data=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SteepError(f"this architecture cannot be exported to ONNX: {reason}") from error
    _mark(file, checkpoint_identity(str(model.name_or_path)))


def write_int8(file: Path, out: Path) -> None:
    """Write the ONNX file `file` to `out` with int8 weights; activations are quantised dynamically.

    onnxruntime's dynamic quantisation: one scale a matrix, and no calibration data.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(file, out, weight_type=QuantType.QInt8)
    kept = {one.key: one.value for one in onnx.load(file, load_external_data=False).metadata_props}
    _mark(out, kept[MADE_FROM])


def predict_with_onnx(
    file: Path, rows: Rows, batch_size: int, folder: Path | None = None
) -> np.ndarray:
    """Probabilities (rows, labels), or targets (rows,), in the order of the corpus.

    Raises SteepError if `file` is broken, no such classifier, or was exported from other weights
    than those in `folder`.
    """
    session = _session(file)
    if folder is not None:
        _check_made_from(file, session, folder)
    return heads.in_batches(_logits(file, session, rows), rows, batch_size)


def _check_made_from(file: Path, session: Any, folder: Path) -> None:
    made_from = session.get_modelmeta().custom_metadata_map.get(MADE_FROM)
    if made_from is None:
        say(f"{file.name} does not tell which weights it was exported from; export it again")
    elif made_from != checkpoint_identity(folder):
        raise SteepError(
            f"{file}: exported from other weights than those in {folder} now. Export it again."
        )


def _logits(file: Path, session: Any, rows: Rows) -> Callable[[np.ndarray], Tensor]:
    """The file as a function of a batch; SteepError if it is no classifier of such rows."""
    names = [given.name for given in session.get_inputs()]
    shapes = [given.shape for given in session.get_outputs()]
    channels, labels = CHANNELS[: 3 if rows.segments else 2], len(rows.task.labels)
    fits = len(shapes) == 1 and shapes[0][1:] == [labels]
    if not fits or not {*names} <= {*channels}:
        raise SteepError(
            f"{file}: takes {some(names)} and gives {shapes}; expected {some(channels)} and rows "
            f"of {labels} numbers. Export it again."
        )

    def compute(inputs: np.ndarray) -> Tensor:
        given = _named(inputs)
        with _explained(file):
            return torch.from_numpy(session.run(None, {name: given[name] for name in names})[0])

    return compute


def _session(file: Path) -> Any:
    """ONNX Runtime with the file, on as many cores as torch uses; SteepError if it is broken."""
    check_onnx_installed()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = FATAL
    with _explained(file):
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What ONNX Runtime cannot do with `file`, as a SteepError."""
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    kinds = (
        *(raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf),
        *(raised.NoModel, raised.NoSuchFile, raised.NotImplemented, raised.RuntimeException),
    )
    try:
        yield
    except (*kinds, OSError, RuntimeError, ValueError) as error:
        reason = brief(" ".join(str(error).split()), 200)
        raise SteepError(
            f"{file}: ONNX Runtime cannot compute it ({reason}). Export it again."
        ) from None


def _named(inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The channels of a batch (rows, 2 or 3, length) by name."""
    return dict(zip(CHANNELS, inputs.swapaxes(0, 1), strict=False))


def _mark(file: Path, made_from: str) -> None:
    """Let an ONNX file tell which checkpoint it was exported from."""
    import onnx

    model = onnx.load(file)
    onnx.helper.set_model_props(model, {MADE_FROM: made_from})
    onnx.save(model, file)


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
