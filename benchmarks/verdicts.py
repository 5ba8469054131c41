"""May the verdict be trusted? Simulated studies with a known truth, judged by the real verdict.

    python benchmarks/verdicts.py [--studies 500] [--jobs 2] [--out FILE]

A study has 500 test rows of different difficulty, runs of different skill (sd over seeds 1.5
points, half of it shared by both arms), and chance for every run and row. Scenarios:

    nothing       step 2 has no effect
    heavy tails   no effect; skill has Student's t distribution with 2 degrees of freedom
    rows only     no effect; seeds hardly matter
    diverging     no effect; one run in ten diverges
    planted       step 2 raises accuracy by two standard errors of the study's own gain

Theory for the last: the power of a one-sided t test at 2.5 % for a shift of two standard errors,
with the degrees of freedom of the median study.
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
from steep.study.verdict import CellResult, verdict

TASK, ROWS, SKILL = Task("single", ("wrong", "right")), 500, 0.8
HARD, CHANCE = 0.8, 0.6  # spread of the rows' difficulty, and of every run's luck with a row
SCENARIOS = ("nothing", "heavy tails", "rows only", "diverging", "planted")
SEEDS = (3, 5, 10)


def simulate(scenario: str, seeds: int, gain: float, random: np.random.Generator) -> dict[str, Any]:
    """The verdict on one study in which step 2 raises accuracy by `gain`."""
    spread = 0.001 if scenario == "rows only" else 0.015
    hard, cells = HARD * random.normal(size=ROWS), []
    for seed in range(seeds):
        shared = skill_of(scenario, random)
        for arm in ("base", "adapted"):
            own = (shared + skill_of(scenario, random)) / 2**0.5
            skill = np.clip(SKILL + spread * own + gain * (arm == "adapted"), 0.01, 0.99)
            right = hard + CHANCE * random.normal(size=ROWS) < stats.norm.ppf(skill)
            outputs = np.where(right[:, None], [0.1, 0.9], [0.9, 0.1])
            lost = scenario == "diverging" and random.random() < 0.1
            cells.append(CellResult(arm, seed, 1.0, outputs, diverged=lost))
    return verdict(TASK, np.ones(ROWS, int), cells, "accuracy", 1.0)


def skill_of(scenario: str, random: np.random.Generator) -> float:
    """What a seed does to skill, in units of its spread."""
    return float(random.standard_t(2) if scenario == "heavy tails" else random.normal())


def look(scenario: str, seeds: int, gain: float, number: int) -> dict[str, Any]:
    """What is counted of study `number`: the answer, the gain, the degrees of freedom."""
    found = simulate(scenario, seeds, gain, numbers(number, scenario, seeds))
    main = found["comparisons"][0] if found["comparisons"] else {"gain": 0.0, "df": None}
    return {"answer": found["answer"], "gain": main["gain"], "df": main["df"]}


def row(scenario: str, seeds: int, studies: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """One line of the table: shares of the answers over `studies` studies."""
    gain = 0.0
    if scenario == "planted":  # two standard errors, as studies without an effect show them
        null = _many("nothing", seeds, 0.0, range(studies, 2 * studies), pool)
        gain = 2 * float(np.std([one["gain"] for one in null], ddof=1))
    found = _many(scenario, seeds, gain, range(studies), pool)
    answers = [one["answer"] for one in found]
    line = {"scenario": scenario, "seeds": seeds, "studies": studies, "gain": gain}
    line |= {name: answers.count(name) / studies for name in ("yes", "no", "cannot tell")}
    df = float(np.median([one["df"] for one in found if one["df"]]))
    theory = float(stats.nct.sf(stats.t.ppf(0.975, df), df, 2)) if gain else 0.025
    return line | {"median_df": df, "theory": theory}


def _many(
    scenario: str, seeds: int, gain: float, which: range, pool: ProcessPoolExecutor
) -> list[dict[str, Any]]:
    count = len(which)
    jobs = ([scenario] * count, [seeds] * count, [gain] * count, which)
    return list(pool.map(look, *jobs, chunksize=10))


def table(lines: list[dict[str, Any]]) -> str:
    """The lines in Markdown, with the standard error of a share."""
    text = [
        "| scenario | seeds | yes | in theory | no | cannot tell |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        error = (line["yes"] * (1 - line["yes"]) / line["studies"]) ** 0.5
        text.append(
            f"| {line['scenario']} | {line['seeds']} | {line['yes']:.1%} (± {error:.1%}) | "
            f"{line['theory']:.1%} | {line['no']:.1%} | {line['cannot tell']:.1%} |"
        )
    return "\n".join(text)


def main() -> None:
    """Print the table as it grows, and keep it as JSON."""
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
