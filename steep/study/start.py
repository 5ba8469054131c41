"""What do the arms of a study start from? A checkpoint, and perhaps a step 2 that is finished."""

from dataclasses import dataclass
from pathlib import Path

from steep import runs
from steep.errors import SteepError
from steep.models.hub import find


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
    known = str(runs.read_manifest(Path(model), "adapt")["base"])
    if base is None and not Path(known).is_dir():
        raise SteepError(
            f"{model} was adapted from {known}, which is not there any more. Name that checkpoint "
            "with --base."
        )
    find(base or known)
    return Start(base or known, Path(model))
