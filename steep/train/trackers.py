"""How is a run followed in TensorBoard, MLflow or Weights & Biases? By accelerate's trackers.

fastai's own callbacks for them import its vision library, which Steep does without.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steep.console import say
from steep.openings import Tracker

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "steep"  # the name under which MLflow and W&B keep all runs


class Tracking:
    """A `Follower` that hands on what it is told to a tracker of accelerate.

    A tracker that fails ends no run: that is said once, and nothing more is sent. Of a run that is
    resumed, the whole history is sent again.
    """

    def __init__(self, kind: Tracker) -> None:
        self.kind = kind
        self.tracker: GeneralTracker | None = None

    def begin(self, out: Path, options: Mapping[str, Any]) -> None:
        """Start a run of the tracker, under the name of `out`, with these options.

        TensorBoard's files are written beside `out`, in tensorboard/; MLflow and W&B keep theirs
        where they are configured to.
        """
        plain = {name: _plain(value) for name, value in options.items() if value is not None}
        self.tracker = _open(self.kind, out)
        self._try(lambda tracker: tracker.start())
        self._try(lambda tracker: tracker.store_init_configuration(plain))

    def line(self, values: Mapping[str, Any], step: int) -> None:
        """Send numbers by name; whatever is no number is left out."""
        numbers = {name: float(x) for name, x in values.items() if isinstance(x, int | float)}
        self._try(lambda tracker: tracker.log(numbers, step=step))

    def end(self) -> None:
        """End the run of the tracker."""
        self._try(lambda tracker: tracker.finish())

    def _try(self, action: Callable[["GeneralTracker"], object]) -> None:
        """Do it with the tracker, if there is one and nothing has failed so far."""
        if self.tracker is None:
            return
        try:
            action(self.tracker)
        except Exception as error:  # a service of others may fail in any way
            self.tracker = None
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            say(f"{self.kind} fails ({reason}); the run continues, and sends it nothing more")


def _open(kind: Tracker, out: Path) -> "GeneralTracker":
    from accelerate import PartialState
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, WandBTracker

    PartialState()  # without it, accelerate's messages are errors
    if kind == "tensorboard":
        folder = out.absolute().parent / "tensorboard"
        say(f"followed by: tensorboard --logdir {folder}")
        return TensorBoardTracker(out.name, folder)
    if kind == "mlflow":
        return MLflowTracker(PROJECT, run_name=out.name)
    return WandBTracker(PROJECT, name=out.name)


def _plain(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else str(value)
