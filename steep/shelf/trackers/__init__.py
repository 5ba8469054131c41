"""Experiment tracking: options, history and scores of a run go to TensorBoard, MLflow or W&B.

A feature that the core does not know: `followers` gives it values. It needs one of the extras
'tensorboard', 'mlflow' and 'wandb', and train/trackers.py.
"""

from importlib.util import find_spec

from steep.errors import SteepError
from steep.openings import Follower, TrackArgs


def followers(args: TrackArgs) -> list[Follower]:
    """The tracker that follows a run.

    Raises SteepError if a package that it needs is not installed.
    """
    for package in ("accelerate", args.track):
        if find_spec(package) is None:
            raise SteepError(f"{package} is not installed: pip install 'steep[{args.track}]'.")
    from steep.train.trackers import Tracking

    return [Tracking(args.track)]
