"""What is given to the core from outside? Values to its stages, and options to its commands.

Values are callbacks, followers, an objective, an engine: so features of the shelf, and users in
Python, reach into the core without its knowing them. Options are declared here, so that a command
imports no feature that it was not asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from steep.args import AdaptArgs, CompareArgs, DevicesArgs, EvaluateArgs, FitArgs, PredictArgs
from steep.launch import here
from steep.options import Part, option

if TYPE_CHECKING:
    import numpy as np
    from fastai.callback.core import Callback

    from steep.data.inputs import Rows
    from steep.train.objective import Objective

Sentences = Literal["none", "next", "order"]
Tracker = Literal["none", "tensorboard", "mlflow", "wandb"]
EngineName = Literal["torch", "onnx", "int8"]
Unknown = Literal["leave-out", "background"]
BiasWeights = Literal["none", "kernel", "detoxify"]


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


@dataclass(frozen=True, kw_only=True)
class PairArgs(Part):
    """Sentence pairs."""

    sentences: Sentences = option(
        "none",
        "Also predict whether a sentence follows (next, as BERT), or the order of two (order, as "
        "ALBERT).",
    )


@dataclass(frozen=True, kw_only=True)
class TrackArgs(Part):
    """Experiment tracking."""

    track: Tracker = option(
        "none",
        "Also send options, history and scores to an experiment tracker; each needs its extra.",
        harmless=True,
    )


@dataclass(frozen=True, kw_only=True)
class SearchArgs(Part):
    """Optimisation."""

    tune: bool = option(
        False,
        "Fit with three learning rates (a third, once and twice the one it would take), and keep "
        "the model that is best on the validation rows: three times the time.",
    )


@dataclass(frozen=True, kw_only=True)
class EngineArgs(Part):
    """Hardware."""

    engine: EngineName = option(
        "torch", "What computes the predictions; onnx and int8 need the files of 'steep export'."
    )


@dataclass(frozen=True, kw_only=True)
class AwdArgs(Part):
    """Study."""

    awd_lstm: Path | None = option(
        None, "Folder of fastai's AWD-LSTM, for the arm awd-lstm; by default fastai's cache."
    )


@dataclass(frozen=True, kw_only=True)
class IdentityArgs(Part):
    """Groups that texts mention."""

    identities: str | None = option(
        None,
        "Columns that say which groups a text mentions, joined by commas: shares of raters, or "
        "0/1.",
        common=True,
    )
    terms: Path | None = option(
        None, "TOML file with the words that mention each group, in place of columns.", common=True
    )
    positive: str | None = option(
        None,
        "Class or label that is harmful; by default --label, or 1 of 0 and 1, yes of no and yes.",
    )
    label_threshold: float = option(
        0.5, "Share of raters from which on a text is harmful.", least=0, most=1
    )
    identity_threshold: float = option(
        0.5, "Share of raters from which on a text mentions a group.", least=0, most=1
    )
    unknown: Unknown = option(
        "leave-out",
        "Rows without identity annotations: leave them out, or take them for background.",
    )


@dataclass(frozen=True, kw_only=True)
class MitigationArgs(Part):
    """Groups that texts mention."""

    bias_weights: BiasWeights = option(
        "none",
        "Example weights by label and mention: kernel (of the public kernels of 2019) or detoxify.",
    )
    balance: Path | None = option(
        None,
        "Unlabelled text, of which harmless rows with the --terms are added to the training, "
        "matched by term and length (Dixon et al. 2018).",
    )
    swap_terms: bool = option(
        False, "Also train on copies whose terms are swapped as --terms says."
    )
    identity_outputs: bool = option(
        False, "Also predict which groups a text mentions, as further labels."
    )


@dataclass(frozen=True, kw_only=True)
class AblationArgs(Part):
    """Ablations of the papers."""

    ablation: str | None = option(
        None,
        "A paper's table on your own rows: ulmfit, sun2019 or dont-stop-pretraining; or a TOML "
        "file of arms. Flags and --config win over what it says.",
    )
    pile: tuple[Path, ...] = option(
        (), "Files of general text, for the arms that draw texts from it (repeatable)."
    )
    curated: tuple[Path, ...] = option(
        (), "Files of unlabelled text of the task, for the arm curated (repeatable)."
    )
    tables: tuple[Path, ...] = option(
        (), "Labelled tables of other tasks, with your columns, for the arm multitask (repeatable)."
    )


@dataclass(frozen=True, kw_only=True)
class AdaptCommand:
    """steep adapt, with what the shelf adds."""

    core: AdaptArgs = AdaptArgs()
    pairs: PairArgs = PairArgs()
    track: TrackArgs = TrackArgs()
    several: DevicesArgs = DevicesArgs()


@dataclass(frozen=True, kw_only=True)
class FitCommand:
    """steep fit, with what the shelf adds."""

    core: FitArgs = FitArgs()
    search: SearchArgs = SearchArgs()
    identity: IdentityArgs = IdentityArgs()
    mitigation: MitigationArgs = MitigationArgs()
    track: TrackArgs = TrackArgs()
    several: DevicesArgs = DevicesArgs()


@dataclass(frozen=True, kw_only=True)
class PredictCommand:
    """steep predict, with what the shelf adds."""

    core: PredictArgs = PredictArgs()
    engine: EngineArgs = EngineArgs()


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand:
    """steep evaluate, with what the shelf adds."""

    core: EvaluateArgs = EvaluateArgs()
    engine: EngineArgs = EngineArgs()


@dataclass(frozen=True, kw_only=True)
class CompareCommand:
    """steep compare, with what the shelf adds."""

    core: CompareArgs = CompareArgs()
    awd: AwdArgs = AwdArgs()
    ablation: AblationArgs = AblationArgs()
    identity: IdentityArgs = IdentityArgs()
    mitigation: MitigationArgs = MitigationArgs()


def followers_of(args: TrackArgs) -> list[Follower]:
    """The tracker that is to follow a run, if any; of several processes, the first alone has it."""
    if args.track == "none" or here().rank:
        return []
    from steep.shelf import trackers

    return trackers.followers(args)
