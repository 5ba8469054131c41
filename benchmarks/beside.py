"""How well does Steep fine-tune, beside word counts and Hugging Face's Trainer? At equal budgets.

    python -m benchmarks.beside --data FOLDER --model DIR --out beside

On samples of five public data sets (`benchmarks.sets`): one label, several labels, a number, long
texts, few labels. All methods get the same rows; the Trainer and Steep get the same checkpoint,
head, epochs, batch size and maximum length, and otherwise have their own defaults. Both try the
same learning rates with the first seed, and take the one that is best on the validation rows for
all seeds. The Trainer's script keeps its last epoch ("Trainer"); "Trainer, best epoch" chooses it
on the validation rows, as Steep does, and gains are measured against that. Every finished run is
kept in a file, so the same command resumes a contest that was stopped.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import classification, paired, rates
from benchmarks.sets import SETS, Set
from steep import runs
from steep.args import FitArgs, TuneArgs
from steep.console import say
from steep.data import budget
from steep.data.corpus import Data
from steep.data.load import load
from steep.metrics.predictions import prediction_lines
from steep.metrics.scores import primary
from steep.options import change, make
from steep.study.arms import Arm, CellInput, fine_tune, fit_word_counts
from steep.study.begin import test_of
from steep.study.cells import CellJob, Outcome, keep_cell, kept_cell, run_cell
from steep.study.design import Cell

RESULTS = Path(__file__).parent / "results" / "beside.json"
COUNTS, LAST, BEST, STEEP = "word counts", "Trainer", "Trainer, best epoch", "Steep"
RATES = (5e-5, 2e-4, 8e-4)
SHARED: dict[str, Any] = {"batch_size": 16, "valid_share": 0.2, "test_share": 0.0}
ARMS = {
    COUNTS: Arm(COUNTS, "word counts and a linear model", fit_word_counts),
    STEEP: Arm(STEEP, "the checkpoint, fine-tuned", fine_tune),
}


@dataclass(frozen=True)
class Contest:
    """A data set, read; the options of a fit on it; where its runs are kept; and the seeds."""

    data: Data
    args: FitArgs
    out: Path
    seeds: Sequence[int]

    def settled(self, arm: str) -> tuple[rates.Rate, list[Cell]]:
        """The learning rate that an arm takes, and its finished cells with it, one a seed."""
        tried = (None,) if arm == COUNTS else RATES
        task = self.data.labelled()
        return rates.settled(partial(self.cell, arm), tried, self.seeds, self.out, task)

    def cell(self, arm: str, rate: rates.Rate, seed: int) -> Cell:
        """One run, which is done first unless it is finished."""
        cell = Cell(rates.name(arm, rate), seed)
        if not cell.path(self.out).is_file():
            tune = change(self.args.tune, {"learning_rate": rate or 0.0})
            for name, outcome in self.outcomes(arm, tune, seed).items():
                self.keep(Cell(rates.name(name, rate), seed), outcome)
        return cell

    def outcomes(self, arm: str, tune: TuneArgs, seed: int) -> dict[str, Outcome]:
        """What a run finds, by arm: one training of the Trainer gives two."""
        given = CellInput(
            data=budget.chosen(self.data, self.args.few, seed),
            test=test_of(self.data),
            base=str(self.args.start.model),
            tune=tune,
            seed=seed,
            metric=primary(self.data.labelled()),
            machine=self.args.machine,
            description=f"{arm}, seed {seed}",
        )
        if arm in (LAST, BEST):
            found = classification.fit(given)
            return {LAST: found["last"], BEST: found["best"]}
        return {arm: run_cell(given, CellJob(Cell(arm, seed), ARMS[arm], None, tune))}

    def keep(self, cell: Cell, outcome: Outcome) -> None:
        """Write a finished run."""
        test, metric = test_of(self.data), primary(self.data.labelled())
        lines = prediction_lines(test, self.data.labelled(), outcome.test)
        keep_cell(cell, self.out, outcome.facts, lines)
        found = outcome.facts["test"].get(metric, float("nan"))
        say(f"{self.out.name}, {cell}: {metric} {found:.3f}, {outcome.facts['seconds']:.0f} s")


def contest(name: str, kind: Set, options: argparse.Namespace) -> dict[str, Any]:
    """All methods on one data set: its facts, and a line for each of them."""
    out = options.out / name
    train, test = kind.write(options.data, out)
    fixed = SHARED | {"test": test, "model": str(options.model), "device": options.device}
    args = make(FitArgs, **(fixed | kind.options))
    data = load(train, args.table, args.split)
    own = Contest(data, args, out, range(options.seeds))
    task, chosen = data.labelled(), {arm: own.settled(arm) for arm in (COUNTS, LAST, BEST, STEEP)}
    rows = test_of(data).rows()
    cells = [
        replace(kept_cell(cell, out, task, rows), arm=arm)
        for arm, (_, of_arm) in chosen.items()
        for cell in of_arm
    ]
    lines = paired.lines(task, test_of(data).labels(), cells, primary(task), BEST)
    parts = {part: len(corpus) for part, corpus in data.parts.items()}
    parts["train"] = len(budget.chosen(data, args.few, 0).train)
    return {
        "task": task.kind,
        "metric": primary(task),
        "rows": parts,
        "options": kind.options,
        "lines": [line | {"rate": chosen[line["arm"]][0]} for line in lines],
    }


def table(found: dict[str, Any]) -> str:
    """What was found so far, in Markdown."""
    text = ["| data | rows | method | rate | metric, mean (seeds) | gain (95 %) | seconds |"]
    text.append("|---|---|---|---|---|---|---|")
    for name, one in found.items():
        for line in one["lines"]:
            text.append(
                f"| {name}, {one['metric']} | {one['rows']['train']:,} | {line['arm']} | "
                f"{_rate(line)} | {paired.values(line)} | {paired.gain(line)} | "
                f"{line['seconds']:.0f} |"
            )
    return "\n".join(text)


def _rate(line: dict[str, Any]) -> str:
    return "–" if line["rate"] is None else f"{line['rate']:g}"


def main() -> None:
    """One data set after the other; the results file holds those that are finished."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the public data sets")
    add("--model", type=Path, required=True, help="checkpoint that both start from")
    add("--out", type=Path, default=Path("beside"), help="folder for the runs")
    add("--set", action="append", choices=SETS, help="only this data set (repeatable)")
    add("--seeds", type=int, default=3)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = runs.read_json(options.results) if options.results.is_file() else {}
    for name in options.set or SETS:
        found[name] = contest(name, SETS[name], options)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        runs.write_json(options.results, found)
        print(table({name: found[name]}), flush=True)


if __name__ == "__main__":
    main()
