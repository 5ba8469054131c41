"""Experiment tracking: options, history and scores of a run go to TensorBoard, MLflow or W&B.

A feature that the core does not know: `followers` gives it values. It needs one of the extras
'tensorboard', 'mlflow' and 'wandb', and train/trackers.py.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from steep.errors import SteepError
from steep.openings import Follower
from steep.options import Part, option

Tracker = Literal["none", "tensorboard", "mlflow", "wandb"]


@dataclass(frozen=True, kw_only=True)
class TrackArgs(Part):
    """Experiment tracking."""

    track: Tracker = option(
        "none",
        "Also send options, history and scores to an experiment tracker; each needs its extra.",
        harmless=True,
    )


def followers(args: TrackArgs) -> list[Follower]:
    """The tracker that is to follow a run, if any.

    Raises SteepError if a package that it needs is not installed.
    """
    if args.track == "none":
        return []
    for package in ("accelerate", args.track):
        if find_spec(package) is None:
            raise SteepError(f"{package} is not installed: pip install 'steep[{args.track}]'.")
    from steep.train.trackers import Tracking

    return [Tracking(args.track)]
