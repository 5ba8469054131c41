"""What will a study cost, and what of it fits into the time that there is?"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from steep import config
from steep.args import CheckArgs, CompareArgs, FitArgs
from steep.console import say
from steep.data.budget import few_steps
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.stages.words import minutes
from steep.study.design import ADAPTED, AWD_LSTM, STEP2, Design
from steep.study.forecast import forecast

UNITS = {"s": 1, "m": 60, "h": 3600}
BYTES_A_TOKEN = 4.5  # of English text
FORWARD = 1 / 3  # what predicting costs, of what training costs
WEIGHTS = 4  # bytes a parameter on the disk
UNMEASURED = ("tfidf", AWD_LSTM)  # seconds, and fastai's own training


@dataclass(frozen=True)
class Costs:
    """Estimated seconds: of step 2 by arm, of one fit by label budget; and bytes of one encoder.

    `recipes` holds the fits of the arms with a recipe, by arm.
    """

    step2: dict[str, float]
    fits: dict[int | None, float]
    encoder: int
    per_seed: bool
    own_head: bool = False
    recipes: dict[str, dict[int | None, float]] = field(default_factory=dict)

    def seconds(self, design: Design) -> float:
        """What a design takes, one run after another."""
        times = len(design.seeds) if self.per_seed else 1
        total = sum(times * self.step2.get(arm, 0.0) for arm in design.arms)
        for budget in design.budgets:
            each = [self.fit(arm, budget) for arm in design.arms if arm not in UNMEASURED]
            total += len(design.seeds) * sum(each)
        return total

    def fit(self, arm: str, budget: int | None) -> float:
        """What one fit of an arm takes."""
        one = self.recipes.get(arm, self.fits)[budget]
        return one + self.step2.get(ADAPTED, 0.0) if arm == "longer" else one

    def disk(self, design: Design) -> int:
        """Bytes of the encoders that are made."""
        times = len(design.seeds) if self.per_seed else 1
        return sum(times * self.encoder for arm in design.arms if self.step2.get(arm))


def planned(design: Design, args: CompareArgs, data: Data) -> Design:
    """The design, cut to the budget of time where there is one; its plan is said.

    Raises SteepError if the budget cannot be read, or is too short for two seeds of two arms.
    """
    budget = seconds_of(args.budget) if args.budget else None
    costs = measure(design, args, data)
    if budget is not None:
        design = fitted(design, costs.seconds, budget)
    say(
        f"plan: {len(design.cells)} cells ({design}), about {minutes(costs.seconds(design))} one "
        f"after another, {costs.disk(design) / 1e6:,.0f} MB on the disk"
    )
    for arm in design.arms:
        if costs.step2.get(arm):
            say(f"  step 2 for {arm}: about {minutes(costs.step2[arm])}")
    if AWD_LSTM in design.arms:
        say(f"  {AWD_LSTM} comes on top: its time is not estimated")
    for labels in design.budgets:
        few = f" with {labels:,} labels" if labels else ""
        say(f"  one fit{few}: about {minutes(costs.fits[labels])}")
        for arm in (arm for arm in design.arms if arm in design.recipes):
            say(f"  one fit{few} of {arm}: about {minutes(costs.fit(arm, labels))}")
        rows = min(labels or len(data.train), len(data.train))
        for line in [*few_steps(rows, args), str(forecast(rows, costs.own_head))]:
            say(f"  {line}")
    for line in design.told():
        say(f"  {line}")
    return design


def fitted(design: Design, seconds: Callable[[Design], float], budget: float) -> Design:
    """The largest design within `budget` seconds: arms go first, then label budgets, then seeds.

    Base and adapted, the largest label budget and two seeds stay. Raises SteepError if they take
    longer than that.
    """
    while seconds(design) > budget:
        spare = [arm for arm in design.arms if arm not in (*UNMEASURED, "base", ADAPTED)]
        if spare:
            design = replace(design, arms=tuple(a for a in design.arms if a != spare[-1]))
        elif len(design.budgets) > 1:
            design = replace(design, budgets=design.budgets[1:])
        elif len(design.seeds) > 2:
            design = replace(design, seeds=design.seeds[:-1])
        else:
            least = minutes(seconds(design))
            raise SteepError(
                f"budget: two seeds of base and adapted alone take about {least}. Give more time, "
                "fewer --epochs, less text for step 2, or an --encoder that is adapted already."
            )
    return design


def seconds_of(budget: str) -> float:
    """'90s', '60m' or '8h' in seconds; SteepError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", budget.strip())
    if found is None or float(found[1]) == 0:
        raise SteepError(f"budget '{budget}': write a time such as 90s, 60m or 8h.")
    return float(found[1]) * UNITS[found[2]]


def measure(design: Design, args: CompareArgs, data: Data) -> Costs:
    """Costs from a few measured steps on this machine, and from the amount of text."""
    from steep.train import pace

    assert args.model is not None and data.test is not None
    checking = replace(config.part(args, CheckArgs), model=args.model)
    fitting = config.part(args, FitArgs, without=("label_budget",))
    found = pace.estimate(data, checking, fitting)
    own = found["adapt"]["seconds_per_epoch"]
    step2 = {}
    for arm in (arm for arm in design.arms if arm in STEP2 and arm not in UNMEASURED):
        further = {"in-domain": args.in_domain, "cross-domain": args.in_domain + args.cross_domain}
        text = _tokens((*args.unlabelled, *further.get(arm, ())))
        step2[arm] = args.adapt_epochs * (own + text / found["adapt"]["tokens_per_second"])
    if args.encoder is not None:
        step2[ADAPTED] = 0.0
    fits = _fits(design, data, found["fit"]["seconds_per_epoch"], args.epochs)
    recipes = {}
    for arm in design.recipes:
        options = design.options(arm, fitting)
        recipes[arm] = _fits(design, data, pace.of_fit(data, options), options.epochs)
    per_seed = args.adapt_per_seed and args.encoder is None
    size = WEIGHTS * found["parameters"]
    return Costs(step2, fits, size, per_seed, found["own_head"], recipes)


def _fits(design: Design, data: Data, a_pass: float, epochs: int) -> dict[int | None, float]:
    """Seconds of one fit by label budget, where a pass over all training rows takes `a_pass`."""
    assert data.test is not None
    a_row = a_pass / len(data.train)
    asked = len(data.valid) * epochs + len(data.test)
    return {
        labels: a_row * (epochs * min(labels or np.inf, len(data.train)) + FORWARD * asked)
        for labels in design.budgets
    }


def _tokens(files: tuple[Path, ...]) -> float:
    """About how many tokens the files hold."""
    return sum(path.stat().st_size for path in files if path.is_file()) / BYTES_A_TOKEN
