"""What is an arm of a study? One of the core's, a recipe, or a TOML file of the user's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep.args import AdaptArgs, CompareArgs, MachineArgs, PretrainArgs, TuneArgs
from steep.args.chosen import OWN_FILE, recipe, recipe_names
from steep.args.pretraining import StudyTextArgs
from steep.data import batches
from steep.data.corpus import Corpus, Data
from steep.errors import SteepError
from steep.options import as_mapping, from_mapping, nearest, options_of
from steep.toml_files import read_toml

COUNTS, BASE, ADAPTED, LONGER = "tfidf", "base", "adapted", "longer"
TABLES = {"fit": TuneArgs, "adapt": PretrainArgs}
FROZEN = "features"  # the recipe that is a rival of step 2: the encoder as it is, and a linear head


@dataclass(frozen=True)
class Step2Job:
    """A step 2 to be run: it reads the training texts of `data` and `files`, and writes `out`.

    `args` are the options of step 2 in this study: the checkpoint, the seed, `args.pretrain`, ...
    The folder `out` has to appear complete, or not at all, and with a manifest (`outputs.writing`).
    """

    data: Data
    files: tuple[Path, ...]
    out: Path
    args: AdaptArgs


@dataclass(frozen=True)
class CellInput:
    """What a cell is fitted on, and with what.

    The training rows of `data` are those of the cell's label budget; `test` holds the rows to
    predict. `encoder` is the folder that the arm's step 2 wrote, None where there is no step 2.
    The first five are the same for all cells of a study.
    """

    data: Data
    test: Corpus
    base: str
    metric: str
    machine: MachineArgs = MachineArgs()
    encoder: Path | None = None
    tune: TuneArgs = TuneArgs()
    seed: int = 0
    description: str = ""


@dataclass(frozen=True)
class CellOutput:
    """Predictions on the validation and test rows, as in `steep.metrics.scores.score`, and history.

    A training that diverged predicts NaN on the test rows.
    """

    valid: np.ndarray
    test: np.ndarray
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Arm:
    """An arm of a study, by the name that --arms knows it by.

    `fit` fits a cell, in another process perhaps: a function of a module, or a partial of one.
    `pretrain` makes the arm's step 2, None where there is none. `check` raises SteepError where
    checkpoint, data and options do not fit; it runs before anything is trained.
    """

    name: str
    about: str
    fit: Callable[[CellInput], CellOutput]
    pretrain: Callable[[Step2Job], None] | None = None
    check: Callable[[CellInput], None] | None = None
    texts: tuple[Path, ...] = ()
    """Files that its step 2 reads beside those of the study."""
    drawn: int = 0
    """How many of these texts its step 2 reads for each training row, at most; 0 for all."""
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    """The options of [fit] in which it differs from the study."""
    adapt_options: Mapping[str, Any] = field(default_factory=dict)
    """The options of [adapt] in which it differs from the study."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options that change its results: kept in study.json, to resume by.

    Plain JSON, or paths, also several: these are compared by what they hold.
    """
    rival: bool = False
    """Whether adapted is compared with it: what could have been done instead of step 2."""
    equal_compute: bool = False
    """Whether it trains for so many epochs more that it reads the tokens of step 2, too."""
    timed: bool = True
    """Whether it costs what base costs with its options; the time of others is not estimated."""


def built_in_arms(texts: StudyTextArgs) -> tuple[Arm, ...]:
    """The arms of the core; `texts` are the texts of those that read others."""
    base = Arm(BASE, "the checkpoint, fine-tuned", fine_tune, check=check_learner)
    about = "the checkpoint after step 2 on the text at hand, fine-tuned"
    adapted = replace(base, name=ADAPTED, about=about, pretrain=pretrain_further)
    return (
        Arm(COUNTS, "word counts and a linear model", fit_word_counts, timed=False),
        base,
        adapted,
        replace(
            adapted,
            name="in-domain",
            about="the checkpoint after step 2 on that and other texts of the domain",
            texts=texts.in_domain,
        ),
        replace(
            adapted,
            name="cross-domain",
            about="the checkpoint after step 2 on that and texts of other domains",
            texts=texts.in_domain + texts.cross_domain,
        ),
        replace(
            base,
            name=LONGER,
            about="base, trained for longer: by as many tokens as step 2 reads",
            rival=True,
            equal_compute=True,
        ),
    )


def pretrain_further(job: Step2Job) -> None:
    """Step 2 of the core, as `steep adapt` runs it."""
    from steep.stages.adapt import adapt

    adapt(job.data, out=job.out, args=job.args, unlabelled=job.files)


def check_learner(cell: CellInput) -> None:
    """Raises SteepError where the checkpoint cannot be fine-tuned on these rows as asked."""
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train import classify

    start, base = _start(cell)
    classify.learner(cell.data, start, cell.tune, choose(cell.machine), cell.seed, base)


def fine_tune(cell: CellInput) -> CellOutput:
    """Step 3 of the core. Arms differ in the encoder's weights, or in options; in nothing else."""
    from steep.models.devices import choose
    from steep.train import classify
    from steep.train.session import Hooks

    machine, (start, base) = choose(cell.machine), _start(cell)
    learn = classify.learner(cell.data, start, cell.tune, machine, cell.seed, base)
    hooks = Hooks(description=cell.description)
    fitted = classify.train(learn, cell.data, cell.tune, cell.metric, cell.seed, hooks)
    classify.in_own_units(fitted)
    valid, test = (fitted.predict(corpus, machine) for corpus in (cell.data.valid, cell.test))
    return CellOutput(
        valid, np.full_like(test, np.nan) if fitted.diverged else test, fitted.history
    )


def fit_word_counts(cell: CellInput) -> CellOutput:
    """tf-idf: rows and classes have the weights of the other arms; the loss is always its own."""
    from steep.metrics.word_counts import fit_tfidf

    train, valid, task = cell.data.train, cell.data.valid, cell.data.labelled()
    counts = batches.weights_of_rows(train, task, cell.tune.loss)
    labelled, held_out = ((part.whole(), part.labels()) for part in (train, valid))
    model = fit_tfidf(labelled, held_out, task, cell.seed, counts)
    return CellOutput(model.predict(valid.whole()), model.predict(cell.test.whole()))


def _start(cell: CellInput) -> tuple[str | Path, str | None]:
    """The checkpoint to start from, and the one whose head takes its encoder."""
    return (cell.base, None) if cell.encoder is None else (cell.encoder, cell.base)


def is_arm_file(name: str) -> bool:
    """Whether `name` is that of a recipe, or of a TOML file."""
    return name in recipe_names() or name.endswith(OWN_FILE)


def arm_of_file(name: str) -> Arm:
    """The arm of a recipe (its name), or of a TOML file with a table [adapt], [fit], or both.

    With [fit], it is fine-tuned with these options instead of the study's. With [adapt], it starts
    from a step 2 with these options instead of the study's; a table without any means that of the
    arm adapted. Raises SteepError where a table is missing, or holds anything else.
    """
    if name in recipe_names():
        values = recipe(name)
        del values["recipe"]
        return arm_of_tables(name, {"fit": values}, name)
    path = Path(name)
    tables = read_toml(path)
    if not any(tables.values()):
        raise SteepError(f"{path}: an arm is a table [adapt] or [fit] of options, or both.")
    return arm_of_tables(path.stem, tables, str(path))


def arm_of_tables(name: str, tables: Mapping[str, dict[str, Any]], source: str) -> Arm:
    """The arm that differs from the study in these tables, [adapt] and [fit], as in `arm_of_file`.

    `source` is named in errors.
    """
    known = _tables(tables, source)
    arm = Arm(
        name=name,
        about="",
        fit=fine_tune,
        check=check_learner,
        pretrain=pretrain_further if "adapt" in known else None,
        fit_options=known.get("fit", {}),
        adapt_options=known.get("adapt", {}),
        rival=name == FROZEN or "adapt" in known,
    )
    return replace(arm, about=_about(arm))


def _tables(tables: Mapping[str, dict[str, Any]], source: str) -> dict[str, dict[str, Any]]:
    """The tables of an arm, with the values as the options have them."""
    found = {}
    for name, values in tables.items():
        if name not in TABLES:
            raise SteepError(
                f"{source}: an arm is made of the tables [adapt] and [fit], not of [{name}]."
                f"{nearest(name, TABLES)}"
            )
        _refuse_shared(source, name, values)
        made = as_mapping(from_mapping(TABLES[name], values, f"{source}: [{name}]"))
        found[name] = {option: made[option] for option in values}
    return found


def _refuse_shared(source: str, table: str, values: dict[str, Any]) -> None:
    """Raises SteepError at an option that belongs to the study."""
    own = {option.name for kind in TABLES.values() for option in options_of(kind)}
    shared = {option.name for option in options_of(CompareArgs)} - own
    if found := sorted(shared & values.keys()):
        raise SteepError(
            f"{source}: [{table}]: option '{found[0]}' is the same for all arms of a study; give "
            "it to the study instead."
        )


def _about(arm: Arm) -> str:
    fitted = _said(arm.fit_options)
    if arm.pretrain is None:
        return f"base with {fitted}"
    step2 = f"step 2 with {_said(arm.adapt_options)}" if arm.adapt_options else "adapted"
    return f"{step2}, fine-tuned with {fitted}" if fitted else step2


def _said(options: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())
