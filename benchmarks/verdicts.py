"""May the verdict be trusted? Simulated studies with a known truth, judged by the real verdict.

    python benchmarks/verdicts.py [--studies 500] [--jobs 2] [--out FILE]

A study has 500 test rows of different difficulty, runs of different skill (its sd over seeds is 1.5
points; half of the variance is shared by both arms), and chance in every run and row. Scenarios:

    nothing       step 2 has no effect
    heavy tails   no effect; skill has a t distribution with 2 degrees of freedom
    rows only     no effect; seeds hardly matter
    diverging     no effect; one run in ten diverges
    two budgets   no effect at two label budgets; an answer at either of them counts
    planted       step 2 raises accuracy by two standard errors of the study's own gain

"yes" in theory: 2.5 % where there is no effect; with two budgets at most 2.5 % for the headline and
1.25 % for the other (Holm); for the planted effect, the power of a one-sided t test at 2.5 % for a
shift of two standard errors, with the median of the studies' degrees of freedom. A hint is a "yes"
at a budget that did not hold after correction.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from steep.data.corpus import Task
from steep.seeds import numbers
from steep.study.verdict import CellResult, Question, verdict

TASK, ROWS, SKILL = Task("single", ("wrong", "right")), 500, 0.8
HARD, CHANCE = 0.8, 0.6  # sd of the rows' difficulty, and of every run's luck with a row
SCENARIOS = ("nothing", "heavy tails", "rows only", "diverging", "two budgets", "planted")
FALSE_YES = {"two budgets": 0.0375}  # at most; elsewhere 2.5 %
SEEDS = (3, 5, 10)


def simulate(scenario: str, seeds: int, gain: float, random: np.random.Generator) -> dict[str, Any]:
    """The verdict on one study in which step 2 raises accuracy by `gain`."""
    hard, cells = HARD * random.normal(size=ROWS), []
    for budget in (100, 1000) if scenario == "two budgets" else (None,):
        for seed in range(seeds):
            cells += _pair(scenario, seed, budget, hard, gain, random)
    return verdict(TASK, np.ones(ROWS, int), cells, Question("accuracy"), 1.0)


def _pair(
    scenario: str,
    seed: int,
    budget: int | None,
    hard: np.ndarray,
    gain: float,
    random: np.random.Generator,
) -> list[CellResult]:
    """A run of base and one of adapted, on rows of the difficulties `hard` (rows,)."""
    spread = 0.001 if scenario == "rows only" else 0.015
    shared, cells = skill_of(scenario, random), []
    for arm in ("base", "adapted"):
        own = (shared + skill_of(scenario, random)) / 2**0.5
        skill = np.clip(SKILL + spread * own + gain * (arm == "adapted"), 0.01, 0.99)
        right = hard + CHANCE * random.normal(size=ROWS) < stats.norm.ppf(skill)
        outputs = np.where(right[:, None], [0.1, 0.9], [0.9, 0.1])
        lost = scenario == "diverging" and random.random() < 0.1
        cells.append(CellResult(arm, seed, 1.0, outputs, diverged=lost, labels=budget))
    return cells


def skill_of(scenario: str, random: np.random.Generator) -> float:
    """The effect of a seed on skill, in standard deviations."""
    return float(random.standard_t(2) if scenario == "heavy tails" else random.normal())


def look(scenario: str, seeds: int, gain: float, number: int) -> dict[str, Any]:
    """What is counted of study `number`: its answers and hints, gain and degrees of freedom."""
    found = simulate(scenario, seeds, gain, numbers(number, scenario, seeds))
    main = found["comparisons"][0] if found["comparisons"] else {"gain": 0.0, "df": None}
    answers = {part["answer"] for part in found["budgets"]}
    hints = {part["hint"] for part in found["budgets"]}
    return {"answers": answers, "hints": hints, "gain": main["gain"], "df": main["df"]}


def row(scenario: str, seeds: int, studies: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """One line of the table: shares of the answers over `studies` studies."""
    gain = 0.0
    if scenario == "planted":  # two standard errors, estimated from studies without an effect
        null = _many("nothing", seeds, 0.0, range(studies, 2 * studies), pool)
        gain = 2 * float(np.std([one["gain"] for one in null], ddof=1))
    found = _many(scenario, seeds, gain, range(studies), pool)
    line = {"scenario": scenario, "seeds": seeds, "studies": studies, "gain": gain}
    for name in ("yes", "no"):
        line[name] = sum(name in one["answers"] for one in found) / studies
    line["cannot tell"] = sum(one["answers"] == {"cannot tell"} for one in found) / studies
    line["hint"] = sum("yes" in one["hints"] for one in found) / studies
    df = float(np.median([one["df"] for one in found if one["df"]]))
    theory = float(stats.nct.sf(stats.t.ppf(0.975, df), df, 2)) if gain else None
    return line | {"median_df": df, "theory": theory or FALSE_YES.get(scenario, 0.025)}


def _many(
    scenario: str, seeds: int, gain: float, which: range, pool: ProcessPoolExecutor
) -> list[dict[str, Any]]:
    count = len(which)
    jobs = ([scenario] * count, [seeds] * count, [gain] * count, which)
    return list(pool.map(look, *jobs, chunksize=10))


def table(lines: list[dict[str, Any]]) -> str:
    """The lines in Markdown, with the standard error of a share."""
    text = [
        "| scenario | seeds | yes | in theory | no | cannot tell | hint of yes |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        error = (line["yes"] * (1 - line["yes"]) / line["studies"]) ** 0.5
        text.append(
            f"| {line['scenario']} | {line['seeds']} | {line['yes']:.1%} (± {error:.1%}) | "
            f"{line['theory']:.1%} | {line['no']:.1%} | {line['cannot tell']:.1%} | "
            f"{line['hint']:.1%} |"
        )
    return "\n".join(text)


def main() -> None:
    """Print the table line by line, and keep it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/verdicts.json"))
    options = parser.parse_args()
    lines = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for scenario in SCENARIOS:
            for seeds in SEEDS:
                lines.append(row(scenario, seeds, options.studies, pool))
                print(table(lines[-1:]).splitlines()[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    print(f"\n{table(lines)}\n\n{options.out}")


if __name__ == "__main__":
    main()
