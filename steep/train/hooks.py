"""What reaches into a training from outside? Its name, its saves, and whoever looks on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastai.callback.core import Callback

from steep.openings import Follower
from steep.train.saves import Saves


@dataclass(frozen=True)
class Hooks:
    """What a training is called, where it is saved, and who acts or listens while it runs.

    `callbacks` are the user's own, of fastai; `followers` are told each new line of history.
    """

    description: str = "fitting"
    saves: Saves = field(default_factory=Saves)
    callbacks: Sequence[Callback] = ()
    followers: Sequence[Follower] = ()
