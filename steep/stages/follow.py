"""Which tracker follows a run, if any, and what is it sent?"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steep.args.run import TrackArgs, Tracker
from steep.config import as_mapping
from steep.errors import SteepError

if TYPE_CHECKING:
    from steep.train.tracking import Tracking


def check_tracker(kind: Tracker) -> None:
    """Raises SteepError if a package that the tracker needs is not installed."""
    for package in ("accelerate", kind) if kind != "none" else ():
        if find_spec(package) is None:
            raise SteepError(f"{package} is not installed: pip install 'steep[{kind}]'.")


@contextmanager
def followed(out: Path, args: TrackArgs) -> Iterator["Tracking | None"]:
    """The callback that follows the run `out`, with its options sent; None without a tracker."""
    if args.track == "none":
        yield None
        return
    from steep.train.tracking import tracked

    with tracked(args.track, out, as_mapping(args)) as tracking:
        yield tracking


def scores(results: dict[str, Any]) -> dict[str, float]:
    """What a fit found on held-out rows, by names such as 'test_accuracy'."""
    return {
        f"{part}_{name}": found["value"]
        for part in ("valid", "test")
        if results[part]
        for name, found in results[part]["metrics"].items()
    }
