"""How is a run followed in TensorBoard, MLflow or Weights & Biases? By accelerate's trackers.

fastai's own callbacks for them import its vision library, which Steep does without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastai.callback.core import Callback

from steep.args.run import Tracker
from steep.console import say

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "steep"  # the name under which MLflow and W&B keep all runs
Lines = Sequence[Mapping[str, Any]]


class Tracking(Callback):
    """Sends options, each new line of a history, and results to a tracker.

    A tracker that fails ends no run: that is said once, and nothing more is sent. A run that goes
    on where it was killed sends its history again from the beginning.
    """

    order, run_train = 92, False  # after the line is written, before Best may end the training

    def __init__(self, tracker: "GeneralTracker") -> None:
        self.tracker, self.sent, self.works = tracker, 0, True
        self.lines: Callable[[], Lines] = list

    def follow(self, lines: Callable[[], Lines]) -> "Tracking":
        """Itself, now sending what `lines` gives after each measurement."""
        self.lines, self.sent = lines, 0
        return self

    def begin(self, options: Mapping[str, Any]) -> None:
        """Start a run of the tracker with these options."""
        self.safely(self.tracker.start)
        plain = {name: _plain(value) for name, value in options.items() if value is not None}
        self.safely(lambda: self.tracker.store_init_configuration(plain))

    def after_validate(self) -> None:
        lines = self.lines()
        for line in lines[self.sent :]:
            self.send(line, int(line.get("step", line["epoch"])))
        self.sent = len(lines)

    def send(self, values: Mapping[str, Any], step: int) -> None:
        """Numbers by name; what is none is left out."""
        numbers = {name: float(x) for name, x in values.items() if isinstance(x, int | float)}
        self.safely(lambda: self.tracker.log(numbers, step=step))

    def safely(self, action: Callable[[], object]) -> None:
        """Do it, if nothing has failed so far."""
        if not self.works:
            return
        try:
            action()
        except Exception as error:  # a service of others may fail in any way
            self.works = False
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            say(f"{self.tracker.name} fails ({reason}); the run goes on and sends it nothing more")


@contextmanager
def tracked(kind: Tracker, out: Path, options: Mapping[str, Any]) -> Iterator[Tracking]:
    """The callback that follows the run `out`.

    TensorBoard's files are written beside `out`, in tensorboard/; MLflow and W&B keep theirs where
    they are configured to.
    """
    from accelerate import PartialState

    PartialState()  # without it, accelerate's messages are errors
    following = Tracking(_open(kind, out))
    following.begin(options)
    try:
        yield following
    finally:
        following.safely(following.tracker.finish)


def _open(kind: Tracker, out: Path) -> "GeneralTracker":
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, WandBTracker

    if kind == "tensorboard":
        folder = out.absolute().parent / "tensorboard"
        say(f"followed by: tensorboard --logdir {folder}")
        return TensorBoardTracker(out.name, folder)
    if kind == "mlflow":
        return MLflowTracker(PROJECT, run_name=out.name)
    return WandBTracker(PROJECT, name=out.name)


def _plain(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else str(value)
