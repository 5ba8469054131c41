"""Which options has the search for a learning rate?"""

from dataclasses import dataclass
from pathlib import Path

from steep.args.few import FewArgs
from steep.args.fit import TuneArgs
from steep.config import option


@dataclass(frozen=True, kw_only=True)
class LrFindArgs(FewArgs, TuneArgs):
    """steep lr-find: which learning rate fastai's curve suggests, and whether to believe it."""

    lowest: float = option(1e-6, "Rate at which a curve begins.", least=1e-12)
    highest: float = option(1e-2, "Rate at which it ends, if the loss has not exploded before.")
    curves: int = option(3, "Curves, each with a head, an order and a dropout of its own.", least=1)
    steps: int = option(80, "Steps of a curve.", least=20, most=1000)
    result: Path | None = option(None, "Write curves and suggestion as JSON to this file, too.")
