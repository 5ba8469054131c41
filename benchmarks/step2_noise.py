"""How much does a second and a third step 2 differ from the first? Three of each, on three sets.

    python -m benchmarks.step2_noise --data FOLDER --model DIR

Each step 2 reads the same text (all training rows of a set, without labels) with another seed; from
each, the same labelled rows are fitted with the same seeds and tested on the same rows. Each fit is
a line of `results/step2_noise.jsonl`, kept as it ends; the same command resumes. `--table` prints,
for each set, the standard deviation of the fits of one step 2, and that of step 2 itself: the
variance between step 2s less what the fits bring along (one-way analysis of variance, Scheffe 1959,
section 7.2; below 0 it is shown as 0).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import stats

import steep
from benchmarks.samples import SAMPLES
from steep import runs

RESULTS = Path(__file__).parent / "results" / "step2_noise.jsonl"
SETS, ROWS, SEEDS, EPOCHS = ("trec", "mpqa", "polarity"), 300, 3, 2
Line = dict[str, Any]


def measured(name: str, data: Path, model: str, seed: int) -> Iterator[Line]:
    """One step 2 by `seed`, and its fits."""
    sample = SAMPLES[name]
    with TemporaryDirectory() as folder:
        files = sample.write(data, Path(folder), ROWS, 0)
        text = Path(folder) / "text.csv"
        sample.read(data)[0][["text"]].to_csv(text, index=False)
        adapted = steep.adapt(
            *(text, model),
            **{"out": Path(folder) / "adapted", "text": "text", "seed": seed, "epochs": EPOCHS},
            **{"valid_share": 0.0, "test_share": 0.0},
        )
        for fit in range(SEEDS):
            given = (
                sample.columns | sample.split | {"max_length": sample.max_length, "test": files[1]}
            )
            out = steep.fit(files[0], adapted, out=Path(folder) / f"{fit}", seed=fit, **given)
            found = json.loads((out / runs.RESULTS).read_text(encoding="utf-8"))
            value = found["test"]["metrics"][found["metric"]]["value"]
            yield {"set": name, "step2": seed, "seed": fit, found["metric"]: value}


def table(lines: list[Line]) -> Iterator[str]:
    """A line a set: means of each step 2, and the two standard deviations, in points."""
    yield "| set | accuracy of each step 2 (mean of its fits) | sd of fits | sd of step 2 | p (F) |"
    yield "|---|---|---|---|---|"
    for name in dict.fromkeys(line["set"] for line in lines):
        own = [line for line in lines if line["set"] == name]
        by_step2 = [
            [100 * line["accuracy"] for line in own if line["step2"] == seed]
            for seed in sorted({line["step2"] for line in own})
        ]
        within = float(np.mean([np.var(one, ddof=1) for one in by_step2]))
        between = len(by_step2[0]) * float(np.var([np.mean(one) for one in by_step2], ddof=1))
        step2 = max(0.0, (between - within) / len(by_step2[0])) ** 0.5
        means = ", ".join(f"{np.mean(one):.1f}" for one in by_step2)
        chance = float(stats.f_oneway(*by_step2).pvalue)
        yield f"| {name} | {means} | {within**0.5:.1f} | {step2:.1f} | {chance:.2f} |"


def main() -> None:
    """Run what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    there = args.out.read_text(encoding="utf-8").splitlines() if args.out.is_file() else []
    lines = [json.loads(line) for line in there]
    if args.table:
        print("\n".join(table(lines)))
        return
    known = {(line["set"], line["step2"]) for line in lines}
    for name in SETS:
        for seed in range(SEEDS):
            if (name, seed) not in known:
                found = list(measured(name, args.data, args.model, seed))
                with args.out.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in found)


if __name__ == "__main__":
    main()
