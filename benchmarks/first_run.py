"""Does a first `steep fit`, with its defaults, beat word counts? On small samples of real data.

    python -m benchmarks.first_run --data FOLDER --model DIR --seeds 3

Each line of `results/first_run.jsonl` is one fit: the scores of `steep fit` without options but for
columns and length, of word counts (1-2-grams, C chosen on validation rows) and of the commonest
answer on the same rows. With `--by`, those of another way on the same training rows: `tune` is
`steep fit --tune`; `trainer` Hugging Face's Trainer (5e-5, batches of 16, 10 epochs, last epoch);
`setfit` the package of that name as Tunstall et al. 2022 use it (20 pairs a row, one epoch, then a
logistic regression). Lines are kept as they come; the same command resumes. `--table` prints the
table of docs/results.md. Sets marked * had no part in choosing the defaults.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import steep
from benchmarks import classification
from benchmarks.samples import KEPT, SAMPLES, Sample
from steep import runs
from steep.args import FitArgs
from steep.metrics.scores import primary
from steep.options import make
from steep.study.arms import CellInput

RESULTS = Path(__file__).parent / "results" / "first_run.jsonl"
USUAL = {"learning_rate": 5e-5, "batch_size": 16, "epochs": 10}  # of run_classification's users
Line = dict[str, Any]


def measured(
    sample: Sample, files: tuple[Path, Path], model: str, seed: int, **options: Any
) -> Line:
    """What a default fit finds on the test rows, and what its baselines do."""
    given = sample.columns | sample.split | {"max_length": sample.max_length, "test": files[1]}
    with TemporaryDirectory() as folder:
        started = time.monotonic()
        out = steep.fit(files[0], model, out=Path(folder) / "model", seed=seed, **given, **options)
        seconds = time.monotonic() - started
        found = json.loads((out / runs.RESULTS).read_text(encoding="utf-8"))
    compared = found["test"]["compared"]
    others = {name: one["value"] for name, one in compared["baselines"].items()}
    metrics = {name: one["value"] for name, one in found["test"]["metrics"].items()}
    return others | {
        "metric": compared["metric"],
        "steep": metrics.get(compared["metric"]),
        "macro_f1": metrics.get("macro_f1"),
        "seconds": round(seconds, 1),
    }


def by_tune(sample: Sample, files: tuple[Path, Path], model: str, seed: int) -> Line:
    """What a fit finds that searches its learning rate."""
    found = measured(sample, files, model, seed, tune=True)
    return {"tune": found["steep"], "tune_seconds": found["seconds"]}


def by_setfit(sample: Sample, files: tuple[Path, Path], model: str, seed: int) -> Line:
    """What SetFit finds: pairs of texts, then a logistic regression on the sentence embeddings."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    data = steep.read(files[0], test=files[1], **_columns(sample), **sample.split)
    assert data.test is not None
    started = time.monotonic()
    classifier = SetFitModel.from_pretrained(model)
    classifier.model_body.max_seq_length = sample.max_length
    rows = {"text": data.train.whole(), "label": data.train.labels().tolist()}
    how = TrainingArguments(batch_size=16, num_epochs=1, num_iterations=20, seed=seed)
    Trainer(classifier, args=how, train_dataset=Dataset.from_dict(rows)).train()
    right = np.asarray(classifier.predict(data.test.whole())) == data.test.labels()
    return {"setfit": float(right.mean()), "setfit_seconds": time.monotonic() - started}


def _columns(sample: Sample) -> dict[str, Any]:
    return {k: v for k, v in sample.columns.items() if k in ("text", "label", "task")}


def by_trainer(sample: Sample, files: tuple[Path, Path], model: str, seed: int) -> Line:
    """What Hugging Face's Trainer finds on the same rows."""
    data = steep.read(files[0], test=files[1], **_columns(sample), **sample.split)
    tune = make(FitArgs, max_length=sample.max_length, pooling="model", **USUAL).tune
    assert data.test is not None
    metric = primary(data.labelled())
    cell = CellInput(data, data.test, model, metric, tune=tune, seed=seed)
    started = time.monotonic()
    found = classification.fit(cell)["last"].facts
    return {"trainer": found["test"].get(metric), "trainer_seconds": time.monotonic() - started}


def asked(args: argparse.Namespace) -> Iterator[tuple[int, int, str]]:
    """Seeds, rows and sets, in the order in which they are run."""
    for seed in range(args.seeds):
        for rows in args.rows:
            yield from ((seed, rows, name) for name in args.sets)


def table(lines: list[Line]) -> Iterator[str]:
    """Means over seeds, a line for each set and size."""
    names = ("steep", "word_counts", "constant", "trainer", "tune", "setfit")
    yield (
        "| set | labels | seeds | metric | steep fit | word counts | commonest | Trainer | --tune "
        "| SetFit |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, rows in sorted({(one["set"], one["rows"]) for one in lines}):
        own = [one for one in lines if (one["set"], one["rows"]) == (name, rows)]
        seeds = len({one["seed"] for one in own})
        means = [_mean([one[n] for one in own if one.get(n) is not None], seeds) for n in names]
        mark = "*" if name in KEPT else ""
        metric = next((one["metric"] for one in own if "metric" in one), "")
        yield f"| {name}{mark} | {rows} | {seeds} | {metric} | {' | '.join(means)} |"


def _mean(values: list[float], seeds: int) -> str:
    """A mean, with the number of seeds where it is not that of the line."""
    if not values:
        return ""
    return f"{np.mean(values):.3f}" + (f" ({len(values)})" if len(values) != seeds else "")


RUNS = {"steep": measured, "trainer": by_trainer, "tune": by_tune, "setfit": by_setfit}


def main() -> None:
    """Run what is asked for and not there yet, a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--sets", nargs="+", default=[*SAMPLES])
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 500])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--by", choices=[*RUNS], default="steep")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    lines = (
        [json.loads(line) for line in args.out.read_text().splitlines()]
        if args.out.is_file()
        else []
    )
    if args.table:
        print("\n".join(table(lines)))
        return
    known = {(one["seed"], one["rows"], one["set"]) for one in lines if args.by in one}
    for seed, rows, name in asked(args):
        if (seed, rows, name) in known:
            continue
        with TemporaryDirectory() as folder:
            files = SAMPLES[name].write(args.data, Path(folder), rows, seed)
            found = RUNS[args.by](SAMPLES[name], files, args.model, seed)
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"set": name, "rows": rows, "seed": seed} | found) + "\n")


if __name__ == "__main__":
    main()
