"""Which options has the export of a trained model?"""

from dataclasses import dataclass

from steep.args.run import ColumnArgs
from steep.config import option


@dataclass(frozen=True, kw_only=True)
class ExportArgs(ColumnArgs):
    """steep export: a trained model as an ONNX file, checked against torch."""

    label: str | None = option(None, "Column(s) of labels; default as in training.")
    int8: bool = option(False, "Write model-int8.onnx, too, and measure what it loses.")
    rows: int = option(1000, "Most rows to check and measure on, drawn by seed.", least=1)
    tolerance: float = option(
        0.001, "Largest difference of a probability between ONNX and torch.", least=0
    )
    batch_size: int = option(64, "Rows computed at once.", least=1)
    seed: int = option(0, "Seed of the rows drawn, and of the bootstrap.")
    overwrite: bool = option(False, "Replace the files of an earlier export.")
