"""What is a study, once its files and options are known to be right, and where does it start?"""

from dataclasses import dataclass
from pathlib import Path

from steep import runs
from steep.args import CompareArgs
from steep.data.corpus import Corpus, Data
from steep.errors import SteepError
from steep.models.hub import find
from steep.study.design import Design


@dataclass(frozen=True)
class Start:
    """The checkpoint of all arms, and the folder of `steep adapt` that adapted starts from."""

    base: str
    given: Path | None = None

    @property
    def splits(self) -> Path | None:
        """The splits of the finished step 2, for the study to split the same file alike."""
        path = self.given / runs.SPLITS if self.given is not None else None
        return path if path is not None and path.is_file() else None


@dataclass(frozen=True)
class Study:
    """A study that is written to `out`: its design, data and metric, and what its arms start from.

    `args` are its options; where `design` or `start` say the same, theirs count.
    """

    out: Path
    design: Design
    start: Start
    data: Data
    test: Corpus
    metric: str
    args: CompareArgs


def start_of(model: str | None, base: str | None) -> Start:
    """Where a study with these options starts.

    `model` is a checkpoint, or a folder of `steep adapt`, whose base is then `base`, or else what
    it was adapted from. Raises SteepError where there is no such checkpoint.
    """
    if model is None:
        raise SteepError("Name a checkpoint with --model; all arms start from it.")
    if base is None and runs.stage_of(model) != "adapt":
        find(model)
        return Start(model)
    known = runs.read_step2(Path(model))[0]["base"]
    if base is None and not Path(known).is_dir():
        raise SteepError(
            f"{model} was adapted from {known}, which is not there any more. Name that checkpoint "
            "with --base."
        )
    find(base or known)
    return Start(base or known, Path(model))
