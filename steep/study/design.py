"""Which runs does a study consist of? Arms x label budgets x seeds: cells, two files each."""

import csv
import dataclasses
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import CompareArgs, FitArgs
from steep.args.data import DataArgs
from steep.args.recipe import OWN_FILE, names, recipe
from steep.args.run import RunArgs, SaveArgs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.study.verdict import CellResult

ADAPTED, AWD_LSTM = "adapted", "awd-lstm"
ARMS = {
    "tfidf": "word counts and a linear model",
    "base": "the checkpoint, fine-tuned",
    ADAPTED: "the checkpoint after step 2 on the text at hand, fine-tuned",
    "in-domain": "the checkpoint after step 2 on that and other texts of the domain",
    "cross-domain": "the checkpoint after step 2 on that and texts of other domains",
    AWD_LSTM: "ULMFiT as published: fastai's AWD-LSTM, fine-tuned on the text, then on the labels",
    "longer": "base, trained longer: by the time that step 2 takes",
}
STEP2 = (ADAPTED, "in-domain", "cross-domain", AWD_LSTM)
"""The arms that start from an encoder of their own."""
SHARED = {"model", "encoder", "metric"} | {
    option.name for kind in (DataArgs, RunArgs, SaveArgs) for option in dataclasses.fields(kind)
}
"""The options of a fit that are the study's, whatever the arm."""


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
        """The file of this cell's results; it is there when the cell is finished."""
        few = f"-{self.labels}" if self.labels else ""
        return study / runs.CELLS / f"{self.arm}{few}-seed{self.seed}.json"


@dataclass(frozen=True)
class Design:
    """Arms x label budgets x seeds; a budget is None where all labels are used.

    `recipes` holds, by arm, the options in which base with a recipe differs from base.
    """

    arms: tuple[str, ...]
    budgets: tuple[int | None, ...]
    seeds: tuple[int, ...]
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def cells(self) -> list[Cell]:
        """Seed by seed, so that an unfinished study has whole pairs; equal compute comes last."""
        order = sorted(self.arms, key=lambda arm: arm == "longer")
        return [Cell(a, s, n) for s in self.seeds for n in self.budgets for a in order]

    def options(self, arm: str, fitting: FitArgs) -> FitArgs:
        """The options of an arm, where those of the study are `fitting`."""
        return dataclasses.replace(fitting, **self.recipes.get(arm, {}))

    def told(self) -> list[str]:
        """In what the arms with a recipe differ from base."""
        return [
            f"arm {arm}: base with {', '.join(f'{n} {v}' for n, v in values.items())}"
            for arm, values in self.recipes.items()
            if arm in self.arms
        ]

    def __str__(self) -> str:
        budgets = f" x {len(self.budgets)} label budgets" if len(self.budgets) > 1 else ""
        return f"{', '.join(self.arms)} x {len(self.seeds)} seeds{budgets}"


def plan(args: CompareArgs) -> Design:
    """The design that the options declare.

    Raises SteepError for an unknown arm, a recipe that cannot be one, when base or adapted is
    missing, or an arm lacks its text.
    """
    given = dict.fromkeys(name.strip() for name in args.arms.split(",") if name.strip())
    recipes = {name: _recipe(name) for name in given if name not in ARMS}
    arms = tuple(Path(name).stem if name in recipes else name for name in given)
    if twice := next((arm for arm in arms if arms.count(arm) > 1), None):
        raise SteepError(f"arms {args.arms}: two of them are called '{twice}'; rename a file.")
    if not {"base", "adapted"} <= set(arms):
        raise SteepError(f"arms {args.arms}: a study needs base and adapted, which it compares.")
    for arm, files in (("in-domain", args.in_domain), ("cross-domain", args.cross_domain)):
        if (arm in arms) != bool(files):
            flag = f"--{arm} FILE"
            raise SteepError(
                f"the arm {arm} and its text belong together: name both, or neither "
                f"(--arms ...,{arm} and {flag})."
            )
    if min(args.label_budget, default=1) < 1:
        raise SteepError("label_budget: every number of labels must be at least 1.")
    budgets: tuple[int | None, ...] = tuple(sorted(set(args.label_budget))) or (None,)
    seeds = tuple(range(args.seed, args.seed + args.seeds))
    return Design(arms, budgets, seeds, {Path(name).stem: v for name, v in recipes.items()})


def _recipe(name: str) -> dict[str, Any]:
    """The options of an arm that is base with a recipe, by the recipe's name or TOML file."""
    if name not in names() and not name.endswith(OWN_FILE):
        near = difflib.get_close_matches(name, (*ARMS, *names()), n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise SteepError(
            f"arms: there is no arm '{name}'.{hint} The arms are {', '.join(ARMS)}; a recipe "
            f"({', '.join(names())}); or a TOML file with a table [fit] of options."
        )
    values = {option: value for option, value in recipe(name).items() if option != "recipe"}
    if shared := sorted(SHARED & values.keys()):
        raise SteepError(
            f"{name}: [fit]: option '{shared[0]}' is the same for all arms of a study; give it to "
            "the study instead."
        )
    if Path(name).stem in ARMS:
        raise SteepError(f"{name}: '{Path(name).stem}' is another arm; rename the file.")
    return values


def write(cell: Cell, study: Path, facts: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Keep a finished cell: its predictions, then its results, which say that it is complete."""
    path = cell.path(study)
    runs.write_csv(path.with_suffix(".csv"), lines)
    runs.write_json(path, {"arm": cell.arm, "seed": cell.seed, "labels": cell.labels} | facts)


def _numbers(line: dict[str, str], task: Task) -> list[float]:
    """What was predicted in a line: probabilities, or targets joined by '|'."""
    if task.kind == "regression":
        return [float(value) for value in line["predicted"].split("|")]
    return [float(line[f"p_{label}"]) for label in task.labels]


def read(cell: Cell, study: Path, task: Task) -> CellResult:
    """A finished cell as the verdict takes it."""
    facts = runs.read_json(cell.path(study))
    with cell.path(study).with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        outputs = np.array([_numbers(line, task) for line in csv.DictReader(stream)])
    if task.kind == "regression" and len(task.labels) == 1:
        outputs = outputs[:, 0]
    return CellResult(
        cell.arm, cell.seed, facts["seconds"], outputs, facts["diverged"], cell.labels
    )
