"""What is a study? Arms x label budgets x seeds, a step 2 for some arms, on data, from a start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steep import runs
from steep.args import CompareArgs, PretrainArgs, TuneArgs
from steep.args.chosen import recipe_names
from steep.args.pretraining import StudyTextArgs
from steep.data.corpus import Corpus, Data
from steep.errors import SteepError
from steep.models.hub import find, no_checkpoint
from steep.options import change, nearest
from steep.study.arms import (
    ADAPTED,
    BASE,
    Arm,
    CellInput,
    Step2Job,
    arm_of_file,
    built_in_arms,
    is_arm_file,
)

BUDGET = ("epochs", "max_steps", "minutes")  # options that say how long a step 2 is


@dataclass(frozen=True)
class Cell:
    """One run of a study: an arm with a seed (of head, order of batches, dropout, label sample).

    `labels` is how many training labels it may use; None for all.
    """

    arm: str
    seed: int
    labels: int | None = None

    def __str__(self) -> str:
        few = f", {self.labels:,} labels" if self.labels else ""
        return f"{self.arm}, seed {self.seed}{few}"

    def path(self, study: Path) -> Path:
        """The file of this cell's results; that of its predictions differs by the ending .csv."""
        few = f"-{self.labels}" if self.labels else ""
        return study / runs.CELLS / f"{self.arm}{few}-seed{self.seed}.json"

    def is_kept(self, study: Path) -> bool:
        """Whether both files are there: the cell is finished."""
        path = self.path(study)
        return path.is_file() and path.with_suffix(".csv").is_file()


@dataclass(frozen=True)
class Step2:
    """A step 2 of a study: arms whose step 2 is equal share it.

    `given` is the folder of a finished one, which is used as it is.
    """

    pretrain: Callable[[Step2Job], None]
    options: PretrainArgs
    files: tuple[Path, ...]
    given: Path | None = None


@dataclass(frozen=True)
class Design:
    """Arms x label budgets x seeds; a budget is None where all labels are used.

    `tune` and `pretrain` are the options of the study's steps 3 and 2, from which arms may differ.
    `given` is a folder of `steep adapt`, from which the arm adapted starts.
    """

    arms: tuple[Arm, ...]
    budgets: tuple[int | None, ...]
    seeds: tuple[int, ...]
    tune: TuneArgs = TuneArgs()
    pretrain: PretrainArgs = PretrainArgs()
    given: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arms."""
        return tuple(arm.name for arm in self.arms)

    @property
    def cells(self) -> list[Cell]:
        """Seed by seed, so that an unfinished study has whole pairs; the longest come last."""
        order = [arm.name for arm in sorted(self.arms, key=lambda arm: arm.equal_compute)]
        return [Cell(a, s, n) for s in self.seeds for n in self.budgets for a in order]

    @property
    def step2_arms(self) -> dict[str, str]:
        """Each arm that has a step 2, with the arm whose step 2 it is: its own, or an equal one."""
        first: dict[Step2, str] = {}
        order = sorted(self.arms, key=lambda arm: arm.name != ADAPTED)
        both = ((arm.name, self.step2_of(arm)) for arm in order)
        return {name: first.setdefault(step2, name) for name, step2 in both if step2}

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    def tune_of(self, arm: Arm) -> TuneArgs:
        """The options of step 3 of an arm."""
        return change(self.tune, arm.fit_options)

    def step2_of(self, arm: Arm) -> Step2 | None:
        """The step 2 of an arm; SteepError where its options contradict those of the study.

        An arm that says how long its step 2 is replaces whatever the study says of that.
        """
        if arm.pretrain is None:
            return None
        own = arm.adapt_options
        freed = dict.fromkeys(BUDGET) if own.keys() & set(BUDGET) else {}
        options = change(self.pretrain, freed | dict(own))
        as_adapted = arm.pretrain is self.arm(ADAPTED).pretrain and not arm.texts and not own
        given = self.given if as_adapted else None
        return Step2(arm.pretrain, options, arm.texts, given)

    def notes(self) -> list[str]:
        """In what the arms with options of their own differ from the study."""
        return [
            f"arm {arm.name}: {arm.about}"
            for arm in self.arms
            if arm.fit_options or arm.adapt_options
        ]

    def __str__(self) -> str:
        budgets = f" x {len(self.budgets)} label budgets" if len(self.budgets) > 1 else ""
        return f"{', '.join(self.names)} x {len(self.seeds)} seeds{budgets}"


def plan_design(args: CompareArgs, further: Sequence[Arm] = ()) -> Design:
    """The design that the options declare; `further` are arms beside those of the core.

    Raises SteepError for an unknown arm, one whose options contradict the study's, when base or
    adapted is missing, or an arm lacks its text.
    """
    known = _known_arms(args.texts, further)
    minutes = args.budget.minutes
    design = Design(
        arms=_chosen_arms(args.study.arms, known),
        budgets=tuple(sorted(set(args.study.label_budgets))) or (None,),
        seeds=tuple(range(args.seed.seed, args.seed.seed + args.seeds.seeds)),
        tune=args.tune,
        pretrain=args.adapt if minutes is None else change(args.adapt, {"minutes": minutes}),
    )
    _check_texts(design.names, args.texts)
    if min(args.study.label_budgets, default=1) < 1:
        raise SteepError("label_budgets: every number of labels must be at least 1.")
    for arm in design.arms:
        try:
            design.step2_of(arm)
        except SteepError as error:
            raise SteepError(f"arm {arm.name}: {error}") from None
    return design


def _known_arms(texts: StudyTextArgs, further: Sequence[Arm]) -> dict[str, Arm]:
    known: dict[str, Arm] = {}
    for arm in (*built_in_arms(texts), *further):
        if arm.name in known:
            raise SteepError(f"there are two arms called '{arm.name}'; rename yours.")
        known[arm.name] = arm
    return known


def _chosen_arms(given: str, known: dict[str, Arm]) -> tuple[Arm, ...]:
    """The arms that --arms names."""
    names = dict.fromkeys(name.strip() for name in given.split(",") if name.strip())
    arms = tuple(_arm(name, known) for name in names)
    found = [arm.name for arm in arms]
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise SteepError(f"arms {given}: two of them are called '{twice}'; rename a file.")
    if not {BASE, ADAPTED} <= set(found):
        raise SteepError(f"arms {given}: a study needs base and adapted, which it compares.")
    return arms


def _arm(name: str, known: dict[str, Arm]) -> Arm:
    if name in known:
        return known[name]
    if not is_arm_file(name):
        raise SteepError(
            f"arms: there is no arm '{name}'.{nearest(name, (*known, *recipe_names()))} The arms "
            f"are {', '.join(known)}; a recipe ({', '.join(recipe_names())}); or a TOML file with "
            "a table [adapt], [fit], or both."
        )
    arm = arm_of_file(name)
    if arm.name in known:
        raise SteepError(f"{name}: '{arm.name}' is another arm; rename the file.")
    return arm


def _check_texts(names: Sequence[str], texts: StudyTextArgs) -> None:
    """Raises SteepError where an arm lacks its text, or a text its arm."""
    for arm, files in (("in-domain", texts.in_domain), ("cross-domain", texts.cross_domain)):
        if (arm in names) != bool(files):
            flag = f"--{arm} FILE"
            raise SteepError(
                f"the arm {arm} and its text belong together: name both, or neither "
                f"(--arms ...,{arm} and {flag})."
            )


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


@dataclass(frozen=True)
class Study:
    """A study that is written to `out`: its design, data and metric, and what its arms start from.

    `args` are its options; where `design` or `start` say the same, theirs count.
    """

    out: Path
    design: Design
    start: Start
    data: Data
    test: Corpus
    metric: str
    args: CompareArgs

    def common(self) -> CellInput:
        """What is the same for all cells; the seed is that of the study."""
        machine, seed = self.args.machine, self.args.seed.seed
        return CellInput(self.data, self.test, self.start.base, self.metric, machine, seed=seed)


def start_of(model: str | None, base: str | None) -> Start:
    """Where a study with these options starts.

    `model` is a checkpoint, or a folder of `steep adapt`, whose base is then `base`, or else what
    it was adapted from. Raises SteepError where there is no such checkpoint.
    """
    if model is None:
        raise no_checkpoint()
    if base is None and runs.stage_of(model) != "adapt":
        find(model)
        return Start(model)
    known = runs.read_step2(Path(model))[0]["base"]
    if base is None and not Path(known).is_dir():
        raise SteepError(
            f"{model} was adapted from {known}, which is not there any more. Name that checkpoint "
            "with --base."
        )
    find(base or known)
    return Start(base or known, Path(model))
