"""May the verdict be trusted? Simulated studies with a known truth, judged by the real verdict.

    python -m benchmarks.verdicts [--studies 400] [--jobs 2] [--only WORDS] [--out FILE]

Lines are kept as they come; the same command resumes, and more --studies measure anew.

A study has test rows of different difficulty, runs of different skill (its sd over seeds is 1.5
points; half of the variance is shared by both arms), and chance in every run and row. Without an
effect, "yes" and "no" should each be wrong in 2.5 % of studies, and in no more than 5 %. Scenarios:

    nothing       500 rows, step 2 has no effect; "heavy tails": skill has a t distribution with 2
                  degrees of freedom; "rows only": seeds hardly matter; "seeds only": rows hardly
                  do; "diverging": one run in ten diverges
    groups G x n  G documents of n rows; a document is easy or hard as a whole, and step 2 helps
                  with one and harms with another; "unequal": their sizes are log-normal.
                  "not named": the same without groups, which is what --group is for
    positives P   an AUC of 300 rows, P of them positive
    budgets B     no effect at B label budgets; an answer at any of them counts
    + N points    step 2 raises accuracy by as much: how often it is found

Beside the verdict stand two yardsticks that know nothing of seeds, on the mean over seeds: a t test
(scipy's `ttest_1samp`, of groups where there are some, weighted by their size), and the percentile
bootstrap of scipy over the same.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from steep.data.corpus import Task
from steep.seeds import numbers
from steep.study.verdict import CellResult, Question, verdict

TASK, SKILL = Task("single", ("wrong", "right")), 0.8
HARD, CHANCE = 0.8, 0.6  # sd of the rows' difficulty, and of every run's luck with a row
LIKE, HELP = 0.5, 0.35  # sd of a document's difficulty, and of what it is for either arm
SPREAD = 0.015  # sd of skill over seeds
SIGNAL = 1.5  # distance of positives from negatives, in sd of a score


@dataclass(frozen=True)
class Scenario:
    """What is simulated: sizes of groups (empty: rows alone), positives (0: accuracy), a gain."""

    name: str
    seeds: tuple[int, ...] = (2, 3, 5, 10)
    sizes: tuple[int, ...] = ()
    rows: int = 500
    positives: int = 0
    budgets: int = 1
    gain: float = 0.0
    spread: float = SPREAD
    named: bool = True


def scenarios() -> Iterator[Scenario]:
    """All of them, in the order of the table."""
    yield Scenario("nothing")
    yield Scenario("heavy tails")
    yield Scenario("rows only", spread=0.001)
    yield Scenario("seeds only", spread=0.05)
    yield Scenario("diverging", seeds=(3, 5, 10))
    quantiles = stats.norm.ppf((np.arange(30) + 0.5) / 30)
    uneven = tuple(np.exp(2.5 + quantiles).round().astype(int).tolist())
    shapes = {"20 x 50": (50,) * 20, "50 x 10": (10,) * 50, "200 x 2": (2,) * 200}
    shapes |= {"8 x 50": (50,) * 8, "unequal, 30": uneven}
    for name, sizes in shapes.items():
        yield Scenario(f"groups {name}", sizes=sizes)
    for name in ("20 x 50", "50 x 10"):
        yield Scenario(f"groups {name}, not named", seeds=(5,), sizes=shapes[name], named=False)
    for positives in (5, 10, 30):
        yield Scenario(f"positives {positives}", seeds=(2, 5), rows=300, positives=positives)
    for budgets in (2, 4):
        yield Scenario(f"budgets {budgets}", seeds=(2, 3, 5), budgets=budgets)
    for points in (1, 2, 4):
        plain = Scenario(f"+ {points} points", seeds=(5,), gain=points / 100)
        yield plain
        for name in ("20 x 50", "50 x 10", "200 x 2"):
            yield replace(plain, name=f"groups {name} {plain.name}", sizes=shapes[name])


def simulate(case: Scenario, seeds: int, random: np.random.Generator) -> dict[str, Any]:
    """What is counted of one study: its answers and hints, and those of the yardsticks."""
    sizes = np.array(case.sizes or (1,) * case.rows)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    hard = np.tile(HARD * random.normal(size=len(groups)), (2, 1))  # for either arm
    if case.sizes:
        hard += LIKE * random.normal(size=len(sizes))[groups]
        hard += HELP * random.normal(size=(2, len(sizes)))[:, groups]
    labels = np.ones(len(groups), int)
    if case.positives:
        labels = (np.arange(len(groups)) < case.positives).astype(int)
    cells, rights = [], []
    for budget in range(100, 100 * case.budgets + 1, 100):
        for seed in range(seeds):
            for arm, right, outputs in _pair(case, hard, labels, random):
                lost = case.name == "diverging" and random.random() < 0.1
                cells.append(CellResult(arm, seed, 1.0, outputs, lost, budget))
                rights.append(right)
    question = Question("auc" if case.positives else "accuracy")
    known = groups if case.sizes and case.named else None
    found = verdict(TASK, labels, cells, question, 1.0, known)
    counted = {
        "answers": {part["answer"] for part in found["budgets"]},
        "hints": {part["hint"] for part in found["budgets"]},
    }
    if case.positives or case.budgets > 1:
        return counted
    differences = np.mean(rights[1::2], axis=0) - np.mean(rights[0::2], axis=0)
    return counted | _yardsticks(differences, groups, random)


def _pair(
    case: Scenario, hard: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """A run of base and one of adapted: arm, which rows are right, and probabilities.

    hard: how difficult each row is for either arm, (2, rows).
    """
    ease = HARD**2 + CHANCE**2 + (LIKE**2 + HELP**2) * bool(case.sizes)
    shared = skill_of(case, random)
    for arm, rows in zip(("base", "adapted"), hard, strict=True):
        own = (shared + skill_of(case, random)) / 2**0.5
        luck = CHANCE * random.normal(size=len(rows))
        if case.positives:
            own *= case.spread * 10
            scores = (SIGNAL + own) * labels + rows + luck
            p = 1 / (1 + np.exp(-scores))
            yield arm, labels, np.stack([1 - p, p], axis=1)
            continue
        skill = np.clip(SKILL + case.spread * own + case.gain * (arm == "adapted"), 0.01, 0.99)
        right = rows + luck < stats.norm.ppf(skill) * ease**0.5
        yield arm, right, np.where(right[:, None], [0.1, 0.9], [0.9, 0.1])


def skill_of(case: Scenario, random: np.random.Generator) -> float:
    """The effect of a seed on skill, in standard deviations."""
    return float(random.standard_t(2) if case.name == "heavy tails" else random.normal())


def _yardsticks(
    differences: np.ndarray, groups: np.ndarray, random: np.random.Generator
) -> dict[str, Any]:
    """Whether a t test, and a percentile bootstrap, find a gain (1), harm (-1) or nothing (0).

    Without groups each row is one.
    """
    sizes = np.bincount(groups)
    sums = np.bincount(groups, differences)
    gain = sums.sum() / sizes.sum()
    spread = (sums - gain * sizes) / sizes.mean()  # of equal groups, their means less their mean
    p = stats.ttest_1samp(spread + gain, 0).pvalue
    drawn = stats.bootstrap(
        (sums, sizes),
        lambda s, n, axis=-1: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=999,
        method="percentile",
        rng=random,
    ).confidence_interval
    sign = 1 if gain > 0 else -1
    return {
        "t_test": sign if p < 0.05 else 0,
        "bootstrap": 1 if drawn.low > 0 else -1 if drawn.high < 0 else 0,
    }


def look(case: Scenario, seeds: int, number: int) -> dict[str, Any]:
    """Study `number` of a scenario."""
    return simulate(case, seeds, numbers(number, case.name, seeds))


def line_of(case: Scenario, seeds: int, studies: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """One line of the table: shares of the answers over `studies` studies."""
    found = list(pool.map(look, repeat(case), repeat(seeds), range(studies), chunksize=10))
    line: dict[str, Any] = {"scenario": case.name, "seeds": seeds, "studies": studies}
    for name in ("yes", "no"):
        hits = sum(name in one["answers"] for one in found)
        ends = stats.binomtest(hits, studies).proportion_ci(method="wilson")
        line[name] = {"share": hits / studies, "low": ends.low, "high": ends.high}
    line["cannot tell"] = sum(one["answers"] == {"cannot tell"} for one in found) / studies
    line["hint"] = sum(one["hints"] != {None} for one in found) / studies
    for name in ("t_test", "bootstrap"):
        if name in found[0]:
            line[name] = {
                sign: sum(one[name] == at for one in found) / studies
                for sign, at in (("yes", 1), ("no", -1))
            }
    return line


def table(lines: list[dict[str, Any]]) -> str:
    """The lines in Markdown, with the 95 % interval (Wilson's) of a share."""
    text = [
        "| scenario | seeds | yes | no | t test: yes, no | bootstrap: yes, no |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        cells = [line["scenario"], str(line["seeds"])]
        for name in ("yes", "no"):
            one = line[name]
            cells.append(f"{one['share']:.1%} ({one['low']:.1%} to {one['high']:.1%})")
        for name in ("t_test", "bootstrap"):
            cells.append(f"{line[name]['yes']:.1%}, {line[name]['no']:.1%}" if name in line else "")
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


def main() -> None:
    """Measure what is not there yet, line by line; each is kept as it ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="words that the scenario's name begins with")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/verdicts.json"))
    options = parser.parse_args()
    lines = json.loads(options.out.read_text("utf-8")) if options.out.is_file() else []
    known = {(one["scenario"], one["seeds"]): one["studies"] for one in lines}
    with ProcessPoolExecutor(options.jobs) as pool:
        for case, seeds in asked(options.only):
            if known.get((case.name, seeds), 0) >= options.studies:
                continue
            line = line_of(case, seeds, options.studies, pool)
            lines = in_order([line, *lines])
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
            print(table([line]).splitlines()[-1], flush=True)
    print(f"\n{summary(lines)}\n\n{options.out}")


def summary(lines: list[dict[str, Any]]) -> str:
    """A line for each scenario, in Markdown: "yes" and "no" in per cent, by numbers of seeds.

    In brackets the upper end of the 95 % interval of the larger; the yardsticks are those at 5.
    """
    found = {(line["scenario"], line["seeds"]): line for line in lines}
    text = [
        "| scenario | 2 seeds | 3 | 5 | 10 | t test, 5 | bootstrap, 5 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(line["scenario"] for line in lines):
        cells = [name]
        for seeds in (2, 3, 5, 10):
            line = found.get((name, seeds))
            cells.append(_shares(line) if line else "")
        at = found.get((name, 5), {})
        for yardstick in ("t_test", "bootstrap"):
            one = at.get(yardstick)
            cells.append(f"{one['yes']:.1%}, {one['no']:.1%}" if one else "")
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


def _shares(line: dict[str, Any]) -> str:
    yes, no = line["yes"], line["no"]
    return f"{yes['share']:.1%}, {no['share']:.1%} ({max(yes['high'], no['high']):.1%})"


def asked(only: str) -> Iterator[tuple[Scenario, int]]:
    """Every scenario whose name begins so, with each number of seeds."""
    yield from ((case, n) for case in scenarios() for n in case.seeds if case.name.startswith(only))


def in_order(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines in the order of the table; of two of the same, the first."""
    found = {(line["scenario"], line["seeds"]): line for line in reversed(lines)}
    return [found[key] for key in ((case.name, n) for case, n in asked("")) if key in found]


if __name__ == "__main__":
    main()
