"""How does a training run begin and end? Its folder, its saves, and what reaches into it.

adapt, fit and multitask train within a `Session`: the folder appears when it is complete, a killed
run of the same options, data and versions is resumed, and nothing is left of a finished one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback
from fastai.callback.progress import ShowGraphCallback

from steep import outputs, runs
from steep.args.running import OverwriteArgs, SaveArgs
from steep.data.corpus import Corpus
from steep.data.facts import fingerprint
from steep.errors import SteepError
from steep.models.checkpoint_files import checkpoint_identity
from steep.models.devices import Machine
from steep.openings import NOTHING, Follower, Openings
from steep.options import as_mapping, identity_of
from steep.train.saves import Saves, open_saves

STARTS = ("model", "base")  # options that name the checkpoints which a run starts from
SPACE, SAVED = 3, 8  # times the checkpoint's size that a run needs on the disk, and its saves


@dataclass(frozen=True)
class Session:
    """A training run under way: where it writes, what it resumes, where it computes."""

    run: runs.Run
    machine: Machine
    saves: Saves = field(default_factory=Saves)
    openings: Openings = NOTHING

    def check_space(self, parameters: int) -> None:
        """Raises SteepError if the disk has no room for a model of so many parameters."""
        saved = SAVED if self.saves.minutes else 0
        outputs.check_space(self.run.out, (SPACE + saved) * parameters * 4)


@contextmanager
def session(
    stage: str,
    out: Path,
    args: Any,
    corpora: Mapping[str, Corpus],
    machine: Machine,
    openings: Openings = NOTHING,
) -> Iterator[Session]:
    """The session of the run that writes `out`; `corpora` is all data that it depends on, by name.

    `args` is the composition of a command with the parts `saving` and `output`. Raises SteepError
    if `out` is in use, an unfinished run of another kind lies there, or a callback cannot work.
    """
    _check_callbacks(openings.callbacks)
    saving: SaveArgs = args.saving
    output: OverwriteArgs = args.output
    options = as_mapping(args) | dict(openings.options)
    itself = identity(identity_of(args) | dict(openings.options), corpora, machine)
    with outputs.writing(out, stage, args, output.overwrite) as run:
        saves = open_saves(run.out, saving.save_every, itself, output.overwrite)
        run.afterwards.append(saves.remove)
        with saves.explain_interrupt(), _followed(out, options, openings):
            saves.announce(run)
            run.record(args=options, device=str(machine.device))
            run.record(precision="bf16" if machine.bf16 else "fp32")
            yield Session(run, machine, saves, openings)


def identity(
    options: Mapping[str, Any], corpora: Mapping[str, Corpus], machine: Machine
) -> dict[str, Any]:
    """What two runs must have in common for one to resume the other, by name."""
    starts = [name for name in STARTS if options.get(name)]
    return {
        "options": options,
        "checkpoints": {name: checkpoint_identity(options[name]) for name in starts},
        "data": {name: fingerprint(corpus) for name, corpus in corpora.items()},
        "versions": runs.versions(),
        "machine": {"computing": str(machine), "fast layers": machine.fast},
    }


def _check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Raises SteepError at a callback that needs fastai's own progress bar."""
    if any(isinstance(callback, ShowGraphCallback) for callback in callbacks):
        raise SteepError(
            "callbacks: ShowGraphCallback draws in fastai's progress bar, which Steep's replaces. "
            "Leave it out ('steep report' draws the losses), or train a steep.learner with it."
        )


@contextmanager
def _followed(out: Path, options: Mapping[str, Any], openings: Openings) -> Iterator[None]:
    for follower in openings.followers:
        follower.begin(out, options)
    try:
        yield
    finally:
        for follower in openings.followers:
            follower.end()


@dataclass(frozen=True)
class Hooks:
    """What a training is called, where it is saved, and who acts or listens while it runs.

    `callbacks` are the user's own, of fastai; `followers` are told each new line of history.
    """

    description: str = "fitting"
    saves: Saves = field(default_factory=Saves)
    callbacks: Sequence[Callback] = ()
    followers: Sequence[Follower] = ()
