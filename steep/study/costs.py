"""What will a study cost, and what of it fits into the time that there is?"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from steep import runs
from steep.args import PretrainArgs, TuneArgs
from steep.console import say
from steep.errors import SteepError
from steep.models.fit_defaults import few_steps, settled, settled_for
from steep.study import evidence, starts
from steep.study.arms import ADAPTED, BASE, Arm
from steep.study.design import Design, Study
from steep.study.forecast import forecast
from steep.wording import duration

UNITS = {"s": 1, "m": 60, "h": 3600}
BYTES_A_TOKEN = 4.5  # of English text
FORWARD = 1 / 3  # what predicting costs, of what training costs
WEIGHTS = 4  # bytes a parameter on the disk


@dataclass(frozen=True)
class Costs:
    """Estimated seconds: of step 2 by arm, of one fit by label budget; and bytes of one encoder.

    `own_fits` holds the fits of arms with options of their own, by arm; `given` the seconds of a
    step 2 that was finished before.
    """

    step2: dict[str, float]
    fits: dict[int | None, float]
    encoder: int
    per_seed: bool
    own_head: bool = False
    own_fits: dict[str, dict[int | None, float]] = field(default_factory=dict)
    given: float = 0.0

    def seconds(self, design: Design) -> float:
        """What a design takes, one run after another."""
        total = sum(self._times(design) * seconds for seconds in self._made(design))
        for budget in design.budgets:
            each = [self.fit(arm, budget) for arm in design.arms if arm.timed]
            total += len(design.seeds) * sum(each)
        return total

    def fit(self, arm: Arm, budget: int | None) -> float:
        """What one fit of an arm takes."""
        one = self.own_fits.get(arm.name, self.fits)[budget]
        return one + self.step2.get(ADAPTED, 0.0) + self.given if arm.equal_compute else one

    def disk(self, design: Design) -> int:
        """Bytes of the encoders that are made."""
        return sum(self._times(design) * self.encoder for _ in self._made(design))

    def _made(self, design: Design) -> list[float]:
        """The seconds of each step 2 that the study has to run, once for arms that share it."""
        owners = dict.fromkeys(design.step2_arms.values())
        return [seconds for arm in owners if (seconds := self.step2.get(arm, 0.0))]

    def _times(self, design: Design) -> int:
        return len(design.seeds) if self.per_seed else 1


def planned(study: Study) -> Design:
    """The study's design, cut to the time limit where there is one; its plan is said.

    Raises SteepError if the limit cannot be read, or is too short for two seeds of two arms.
    """
    design, limit = study.design, study.args.plan.time_limit
    most = seconds_of(limit) if limit else None
    costs = measure_costs(study)
    if most is not None:
        design = cut_to(design, costs.seconds, most)
    say(
        f"plan: {len(design.cells)} cells ({design}), about {duration(costs.seconds(design))} if "
        f"run one after another, {costs.disk(design) / 1e6:,.0f} MB on disk"
    )
    for line in (*_step2_lines(design, costs), *_fit_lines(study, costs)):
        say(f"  {line}")
    for line in (*design.notes(), *_start_lines(study)):
        say(f"  {line}")
    return design


def _start_lines(study: Study) -> list[str]:
    """How the checkpoints that --rank names stand beside the study's own, if it names any."""
    from steep.models.devices import choose

    args, start = study.args, study.start
    if not args.rank.rank:
        return []
    names = [str(name) for name in (start.base, start.given, *args.rank.rank) if name]
    length, machine = study.design.tune.length.max_length, choose(args.machine)
    return starts.lines(starts.rank_starts(study.data, names, length, machine, args.seed.seed))


def _step2_lines(design: Design, costs: Costs) -> list[str]:
    """What each step 2 takes."""
    shared = design.step2_arms
    lines = []
    for arm in design.arms:
        owner = shared.get(arm.name, arm.name)
        if owner != arm.name:
            lines.append(f"step 2 for {arm.name}: that of {owner}")
        elif costs.step2.get(arm.name):
            lines.append(f"step 2 for {arm.name}: about {duration(costs.step2[arm.name])}")
        if arm.pretrain and not arm.timed:
            lines.append(f"{arm.name} comes on top: its time is not estimated")
    return lines


def _fit_lines(study: Study, costs: Costs) -> list[str]:
    """What one fit takes with each label budget, and what there is to expect of it."""
    design, rows, task = study.design, len(study.data.train), study.data.labelled()
    lines, known = [], evidence.known(study.args.evidence.evidence)
    for labels in design.budgets:
        few = f" with {labels:,} labels" if labels else ""
        lines.append(f"one fit{few}: about {duration(costs.fits[labels])}")
        for arm in (arm for arm in design.arms if arm.name in costs.own_fits):
            lines.append(f"one fit{few} of {arm.name}: about {duration(costs.fit(arm, labels))}")
        used = min(labels or rows, rows)
        tune = settled(design.tune, used, task, study.start.base)
        lines += few_steps(used, tune.epochs.count, tune.batch.size)
        lines.append(str(forecast(used, costs.own_head, known)))
    return lines


def cut_to(design: Design, seconds: Callable[[Design], float], most: float) -> Design:
    """The largest design within `most` seconds: arms go first, then label budgets, then seeds.

    Base and adapted, the largest label budget and two seeds stay. Raises SteepError if they take
    longer than that.
    """
    while seconds(design) > most:
        spare = [a for a in design.arms if a.timed and a.name not in (BASE, ADAPTED)]
        if spare:
            design = replace(design, arms=tuple(a for a in design.arms if a is not spare[-1]))
        elif len(design.budgets) > 1:
            design = replace(design, budgets=design.budgets[1:])
        elif len(design.seeds) > 2:
            design = replace(design, seeds=design.seeds[:-1])
        else:
            least = duration(seconds(design))
            raise SteepError(
                f"time_limit: two seeds of base and adapted alone take about {least}. Give more "
                "time, fewer --epochs, less text for step 2, or as --model a folder that is "
                "adapted already."
            )
    return design


def seconds_of(limit: str) -> float:
    """'90s', '60m' or '8h' in seconds; SteepError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", limit.strip())
    if found is None or float(found[1]) == 0:
        raise SteepError(f"time_limit '{limit}': write a time such as 90s, 60m or 8h.")
    return float(found[1]) * UNITS[found[2]]


def measure_costs(study: Study) -> Costs:
    """Costs from a few measured steps on this machine, and from the amount of text."""
    from steep.models.devices import choose
    from steep.train import pace

    design, data, base = study.design, study.data, study.start.base
    machine, seed = choose(study.args.machine), study.args.seed.seed
    found = pace.estimate(data, base, machine, seed, settled_for(design.tune, data, base))
    own_fits = {}
    for arm in (arm for arm in design.arms if arm.fit_options and arm.timed):
        tune = design.tune_of(arm)
        a_pass = pace.of_fit(data, base, machine, seed, settled_for(tune, data, base))
        own_fits[arm.name] = _fits(study, a_pass, tune)
    given = study.start.given
    return Costs(
        step2=_step2(study, found["adapt"], found["positions"]),
        fits=_fits(study, found["fit"]["seconds_per_epoch"], design.tune),
        encoder=WEIGHTS * found["parameters"],
        per_seed=study.args.study.step2_per_seed,
        own_head=found["own_head"],
        own_fits=own_fits,
        given=runs.read_step2(given)[0]["seconds"] if given else 0.0,
    )


def _step2(study: Study, pace: dict[str, float], positions: int) -> dict[str, float]:
    """Seconds of the step 2 of each arm that has one; 0 of one that is finished.

    Raises SteepError where its windows are longer than the `positions` of the checkpoint: before
    base is fitted, not after.
    """
    found = {}
    for arm in (arm for arm in study.design.arms if arm.timed):
        step2 = study.design.step2_of(arm)
        if step2 is not None:
            length = step2.options.length.max_length
            if step2.given is None and length > positions:
                raise SteepError(
                    f"max_length {length}: the checkpoint takes 8 to {positions} tokens. Choose "
                    "within that for step 2 (in the table [adapt] of --config)."
                )
            most = arm.drawn * len(study.data.train) if arm.drawn else math.inf
            text = bytes_of(study.args.texts.unlabelled) + bytes_of(step2.files, most)
            found[arm.name] = 0.0 if step2.given else seconds_of_step2(step2.options, text, pace)
    return found


def bytes_of(files: tuple[Path, ...], most: float = math.inf) -> float:
    """The bytes of `files`; of `most` of their lines, each a text, where they have more."""
    found = [path for path in files if path.is_file()]
    whole = float(sum(path.stat().st_size for path in found))
    if not whole or most == math.inf:
        return whole
    lines = 0
    for path in found:
        with path.open("rb") as stream:
            lines += sum(1 for _ in stream)
    return whole * min(1.0, most / lines)


def seconds_of_step2(options: PretrainArgs, text: float, pace: dict[str, float]) -> float:
    """What a step 2 takes that reads the training rows, and `text` bytes more.

    `pace` is that of step 2: `tokens_per_second`, and `seconds_per_epoch` over the training rows.
    """
    if options.budget.minutes is not None:
        return 60 * options.budget.minutes
    if options.passes.max_steps is not None:
        return options.passes.max_steps * options.batch.batch_tokens / pace["tokens_per_second"]
    epochs = 1.0 if options.passes.epochs is None else options.passes.epochs
    more = text / BYTES_A_TOKEN / pace["tokens_per_second"]
    return epochs * (pace["seconds_per_epoch"] + more)


def _fits(study: Study, a_pass: float, tune: TuneArgs) -> dict[int | None, float]:
    """Seconds of one fit by label budget, where a pass over all training rows takes `a_pass`."""
    data, base = study.data, study.start.base
    assert data.test is not None
    found = {}
    for labels in study.design.budgets:
        rows = min(labels or len(data.train), len(data.train))
        if tune.layers.unfreeze == "never":  # the encoder computes each row once
            every = rows + len(data.valid) + len(data.test)
            found[labels] = FORWARD * every * a_pass / len(data.train)
            continue
        epochs = settled(tune, rows, data.labelled(), base).epochs.count
        asked = FORWARD * (len(data.valid) * epochs + len(data.test))
        found[labels] = a_pass / len(data.train) * (epochs * rows + asked)
    return found
