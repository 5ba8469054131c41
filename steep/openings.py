"""What can stages be given beyond options? Callbacks, followers, an objective, an engine.

So features of the shelf, and users in Python, reach into the core without its knowing them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from fastai.callback.core import Callback

    from steep.data.inputs import Rows
    from steep.train.objective import Objective


class Follower(Protocol):
    """Who is told of a run while it trains, such as an experiment tracker."""

    def begin(self, out: Path, options: Mapping[str, Any]) -> None:
        """The run `out` starts, with these options (plain JSON values)."""

    def line(self, values: Mapping[str, Any], step: int) -> None:
        """A new line of history, or the scores of the end."""

    def end(self) -> None:
        """The run is over, however it ended."""


@dataclass(frozen=True)
class Openings:
    """Values that a run takes in.

    `callbacks` of fastai run in the training; `followers` are told of it; `objective` is what step
    2 learns instead of masked tokens alone. `options` are those that led to these values and change
    the result: they are kept with the run's own.
    """

    callbacks: "Sequence[Callback]" = ()
    followers: Sequence[Follower] = ()
    objective: "Callable[[], Objective] | None" = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """What computes predictions instead of torch, and the options that chose it.

    `compute` gives probabilities (rows, labels), or targets (rows,), in the order of the rows.
    """

    compute: "Callable[[Rows], np.ndarray]"
    options: Mapping[str, Any]


NOTHING = Openings()  # what is given where nothing is
