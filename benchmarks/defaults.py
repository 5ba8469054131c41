"""Which options should a fit have by default? A grid of fits on small samples of real data.

    python -m benchmarks.defaults --data FOLDER --model DIR --sets trec polarity --rows 100 300

Each fit is a line of `results/defaults.jsonl`, written as it ends; the same command resumes. What
follows from it: docs/fitting.md. Of the lines there, those of "plain mean" were measured before the
mean was normed, which is no option any more.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

import steep
from benchmarks.samples import SAMPLES, Sample
from steep import runs

RESULTS = Path(__file__).parent / "results" / "defaults.jsonl"
BATCH, LONGEST = 16, 64  # rows; tokens, so that a grid ends
MEAN = {"pooling": "mean", "head_init": "random"}
PROTOTYPES, LAST = MEAN | {"head_init": "prototypes"}, {"keep_epoch": "last"}
PLANS: dict[str, dict[str, Any]] = {  # "steps" become epochs
    "old defaults": {"learning_rate": 5e-5, "batch_size": 32, "epochs": 3, "pooling": "model"},
    "model 3e-4": {"learning_rate": 3e-4, "steps": 200, "pooling": "model"},
    "mean 3e-4": {"learning_rate": 3e-4, "steps": 200} | MEAN,
    "mean 5e-4": {"learning_rate": 5e-4, "steps": 200} | MEAN,
    "mean 1e-3": {"learning_rate": 1e-3, "steps": 200} | MEAN,
    "mean 5e-4, 400 steps": {"learning_rate": 5e-4, "steps": 400} | MEAN,
    "last, mean 3e-4": {"learning_rate": 3e-4, "steps": 200} | MEAN | LAST,
    "last, mean 3e-4, 60 steps": {"learning_rate": 3e-4, "steps": 60} | MEAN | LAST,
    "last, mean 1e-4": {"learning_rate": 1e-4, "steps": 200} | MEAN | LAST,
    "last, mean 1e-4, 60 steps": {"learning_rate": 1e-4, "steps": 60} | MEAN | LAST,
    "last, prototypes 3e-4": {"learning_rate": 3e-4, "steps": 200} | PROTOTYPES | LAST,
    "last, prototypes 3e-4, 60 steps": {"learning_rate": 3e-4, "steps": 60} | PROTOTYPES | LAST,
    "last, prototypes 1e-4": {"learning_rate": 1e-4, "steps": 200} | PROTOTYPES | LAST,
    "last, prototypes 1e-4, 100 steps": {"learning_rate": 1e-4, "steps": 100} | PROTOTYPES | LAST,
    "last, prototypes 1e-4, 60 steps": {"learning_rate": 1e-4, "steps": 60} | PROTOTYPES | LAST,
    "features": {"recipe": "features", "batch_size": BATCH},
}


def options(plan: dict[str, Any], rows: int) -> dict[str, Any]:
    """The options of a fit on so many rows."""
    given = {"batch_size": BATCH, "keep_epoch": "best"} | plan
    steps = given.pop("steps", None)
    return given | ({"epochs": math.ceil(steps / math.ceil(rows / BATCH))} if steps else {})


def measured(
    sample: Sample, files: tuple[Path, Path], plan: str, model: str, seed: int
) -> dict[str, Any]:
    """The test scores of one fit, and what it took."""
    rows = round((1 - sample.valid_share) * len(pd.read_csv(files[0])))
    given = sample.columns | sample.split | {"test": files[1]} | options(PLANS[plan], rows)
    with TemporaryDirectory() as folder:
        started = time.monotonic()
        out = steep.fit(
            files[0],
            model,
            out=Path(folder) / "model",
            max_length=min(LONGEST, sample.max_length),
            seed=seed,
            split_seed=seed,
            **given,
        )
        seconds = time.monotonic() - started
        found = json.loads((out / runs.RESULTS).read_text(encoding="utf-8"))
    scores = {name: round(one["value"], 4) for name, one in found["test"]["metrics"].items()}
    return {"scores": scores, "best_epoch": found["best_epoch"], "seconds": round(seconds, 1)}


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each plan: the mean accuracy (or AUC) over seeds, set by set."""
    columns = sorted({(line["set"], line["rows"]) for line in lines})
    yield "| plan | " + " | ".join(f"{name}, {rows}" for name, rows in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for plan in dict.fromkeys(line["plan"] for line in lines):
        cells = []
        for column in columns:
            own = [n for n in lines if (n["set"], n["rows"]) == column and n["plan"] == plan]
            found = [n["scores"].get("accuracy", n["scores"].get("auc")) for n in own]
            cells.append(f"{sum(found) / len(found):.3f} ({len(found)})" if found else "")
        yield f"| {plan} | {' | '.join(cells)} |"


def main() -> None:
    """Run what is asked for and not there yet, a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--sets", nargs="+", default=[], choices=SAMPLES)
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 300])
    parser.add_argument("--plans", nargs="+", default=[*PLANS], choices=PLANS)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print what is there")
    args = parser.parse_args()
    kept = args.out.read_text(encoding="utf-8").splitlines() if args.out.is_file() else []
    lines = [json.loads(line) for line in kept]
    if args.table:
        print("\n".join(table(lines)))
        return
    known = {tuple(line[k] for k in ("set", "rows", "plan", "seed")) for line in lines}
    asked = (
        (name, rows, plan, seed)
        for seed in range(args.seeds)
        for rows in args.rows
        for name in args.sets
        for plan in args.plans
    )
    for name, rows, plan, seed in asked:
        if (name, rows, plan, seed) in known:
            continue
        with TemporaryDirectory() as folder:
            files = SAMPLES[name].write(args.data, Path(folder), rows, seed)
            found = measured(SAMPLES[name], files, plan, args.model, seed)
        line = {"set": name, "rows": rows, "plan": plan, "seed": seed} | found
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
