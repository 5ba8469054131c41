"""Export to ONNX, and to int8, each checked against torch; and prediction with such a file.

A feature that the core does not know. It needs the extra 'onnx', and no file of train/.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steep.args import OverwriteArgs, SeedArgs
from steep.args.table import ColumnArgs, TargetArgs
from steep.args.training import BatchArgs
from steep.errors import SteepError
from steep.openings import Engine, EngineArgs
from steep.options import Part, option

if TYPE_CHECKING:
    import numpy as np

    from steep.data.inputs import Rows


@dataclass(frozen=True, kw_only=True)
class OnnxArgs(Part):
    """ONNX."""

    int8: bool = option(
        False, "Write model-int8.onnx, too, and measure what quantisation costs.", common=True
    )
    max_rows: int = option(1000, "Rows to check and measure on, at most, drawn by seed.", least=1)
    tolerance: float = option(
        0.001, "Largest difference of a probability between ONNX and torch.", least=0
    )


@dataclass(frozen=True, kw_only=True)
class ExportArgs:
    """steep export: a trained model as an ONNX file, checked against torch."""

    columns: ColumnArgs = ColumnArgs()
    target: TargetArgs = TargetArgs()
    onnx: OnnxArgs = OnnxArgs()
    batch: BatchArgs = BatchArgs(batch_size=64)
    seed: SeedArgs = SeedArgs()
    output: OverwriteArgs = OverwriteArgs()


def engine_of(folder: Path, args: EngineArgs, batch_size: int) -> Engine | None:
    """What `predict` and `evaluate` compute rows with; None for torch, which is their default.

    Raises SteepError if the model was not exported for the engine.
    """
    if args.engine == "torch":
        return None
    # Only now: what reads folders imports numpy, which help does without.
    from steep import runs
    from steep.console import say

    file = folder / runs.ONNX[args.engine]
    if folder.is_dir() and not file.is_file():  # where there is no folder, `predict` says so
        raise SteepError(f"{file}: there is no such file. Write it with 'steep export'.")

    def compute(rows: "Rows") -> "np.ndarray":
        from steep.shelf.export.onnx import predict_with_onnx

        say(f"computing with {file.name}, by ONNX Runtime")
        return predict_with_onnx(file, rows, batch_size, folder)

    return Engine(compute, {"engine": args.engine})
