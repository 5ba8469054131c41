"""Sample folders as the stages write them, small but with everything in them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from steep import options, runs, seeds
from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs
from steep.runs import FORMAT

VERSIONS = {"python": "3.11.9", "steep": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"}
OPENINGS = ("I expected little of", "Nobody told me about", "We left halfway through", "A friend")
THINGS = (
    "the second act",
    "its slow, careful camera",
    "the jokes",
    "a script this thin",
    "the cast",
)
ENDINGS = ("and stayed to the end.", "but it never comes alive.", "which says it all.", "twice.")
NASTY = "a <script>alert('x')</script> | pipe,\nand a new line & \"quotes\" *stars* `ticks`"


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders of this file: `make.study(folder)` writes a study, and so on."""
    return SimpleNamespace(adapt=adapt, fit=fit, evaluate=evaluate, study=study, NASTY=NASTY)


def manifest(stage: str, args: Any, labels: tuple[str, ...], rows: int = 120) -> dict[str, Any]:
    """What every run says about itself."""
    shares = {"train": 7 * rows, "valid": rows, "test": rows}
    return {
        "stage": stage,
        "format": FORMAT,
        "args": options.as_mapping(args),
        "versions": VERSIONS,
        "machine": "x86_64, 8 cores",
        "started": "2026-03-01T09:30:00+00:00",
        "notes": ["reviews.csv: 3 rows without text were left out.", "2 texts occur twice."],
        "seconds": 312.4,
        "data": {
            "files": [{"name": "reviews.csv", "rows": 9 * rows, "fingerprint": "9f86d081884c7d65"}],
            "parts": shares,
            "labels": {
                part: {name: n // (i + 2) for i, name in enumerate(labels)}
                for part, n in shares.items()
            },
        },
        "device": "cpu",
        "precision": "bf16",
        "base": "bert-base-uncased",
    }


def predictions(task: dict[str, Any], rows: int, skill: float, seed: int) -> list[dict[str, Any]]:
    """Rows whose truth depends on the row alone, and predictions that depend on the seed."""
    fixed, free = seeds.numbers(0, "rows"), seeds.numbers(seed, "said", str(skill))
    return [_line(task, i, skill, fixed, free) for i in range(rows)]


def _line(
    task: dict[str, Any],
    i: int,
    skill: float,
    fixed: np.random.Generator,
    free: np.random.Generator,
) -> dict[str, Any]:
    text = NASTY if i == 0 else " ".join(fixed.choice(some) for some in (OPENINGS, THINGS, ENDINGS))
    line: dict[str, Any] = {"row": i, "id": f"r{i}", "text": text}
    hardness, labels = fixed.normal(), task["labels"]
    if task["kind"] == "regression":
        truth = round(float(fixed.uniform(1, 5)), 2)
        return line | {"truth": truth, "predicted": round(truth + float(free.normal()) / 2, 3)}
    scores = free.normal(size=len(labels)) / 2
    truth = fixed.random(len(labels)) if task["kind"] == "multi" else fixed.integers(len(labels))
    true = truth > 0.7 if task["kind"] == "multi" else np.arange(len(labels)) == truth
    scores += np.where(true, 2 * skill - hardness, -skill)
    if task["kind"] == "multi":
        chances = 1 / (1 + np.exp(-scores))
        said = [name for name, p in zip(labels, chances, strict=True) if p > 0.5]
    else:
        chances = np.exp(scores) / np.exp(scores).sum()
        said = [labels[int(chances.argmax())]]
    right = [name for name, yes in zip(labels, true, strict=True) if yes]
    line |= {"truth": "|".join(right), "predicted": "|".join(said)}
    return line | {f"p_{n}": round(float(p), 6) for n, p in zip(labels, chances, strict=True)}


def summary(task: dict[str, Any], lines: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    """The summary of a part; the numbers are of the right shape, accuracy is the true one."""
    right = float(np.mean([line["truth"] == line["predicted"] for line in lines]))
    labels, confusion = task["labels"], None
    if task["kind"] == "single":
        confusion = np.zeros((len(labels), len(labels)), dtype=int)
        for line in lines:
            confusion[labels.index(line["truth"]), labels.index(line["predicted"])] += 1
        confusion = confusion.tolist()
    scores = {"precision": 0.81, "recall": 0.79, "f1": 0.8, "auc": 0.9}
    return {
        "rows": len(lines),
        "metrics": {
            metric: {"value": right, "low": right - 0.04, "high": right + 0.04},
            "mean_loss": {"value": 0.412, "low": None, "high": None},
        },
        "per_class": []
        if task["kind"] == "regression"
        else [{"label": name, "rows": 10 + i} | scores for i, name in enumerate(labels)],
        "confusion": confusion,
    }


def history(metric: str, seed: int = 0, epochs: int = 4) -> list[dict[str, Any]]:
    """A loss that falls and a metric that rises."""
    drawn = seeds.numbers(seed, "history").normal(size=(epochs, 2)) / 60
    return [
        {
            "epoch": e + 1,
            "train_loss": round(0.7 * 0.62 ** (e + 0.5) + drawn[e, 0], 4),
            "valid_loss": round(0.45 + 0.25 * 0.5**e + drawn[e, 1], 4),
            metric: round(0.83 - 0.1 * 0.4**e, 4),
            "learning_rate": 1e-5,
            "seconds": 20.5,
        }
        for e in range(epochs)
    ]


def adapt(folder: Path) -> Path:
    """A folder of `steep adapt`."""
    folder.mkdir(parents=True)
    args = options.make(AdaptArgs, text="review", epochs=3.0)
    runs.write_json(folder / runs.MANIFEST, manifest("adapt", args, ()))
    found = {
        "masked_loss": {"before": 2.813, "after": 2.104},
        "masked_accuracy": {"before": 0.492, "after": 0.583},
        "heldout_tokens": 18_302,
        "documents": 12_044,
        "windows": 15_210,
        "steps": 1_140,
        "epochs": 3.0,
        "tokens": 4_561_002,
        "tokens_per_second": 8_120.4,
        "new_head": False,
        "sources": [{"name": "reviews.csv", "documents": 12_044, "left_out": 240}],
    }
    runs.write_json(folder / runs.RESULTS, found)
    steps = range(0, 1141, 20)
    drawn = seeds.numbers(0, "loss").normal(size=len(steps)) / 25
    lines = [
        {
            "step": step,
            "epoch": step / 380,
            "tokens": step * 4000,
            "train_loss": "" if step == 0 else round(2.1 + 0.8 * 0.9 ** (step / 30) + noise, 4),
            "valid_loss": round(2.104 + 0.709 * 0.9 ** (step / 40), 4) if step % 380 == 0 else "",
            "learning_rate": 1e-4,
            "seconds": step / 2,
        }
        for step, noise in zip(steps, drawn, strict=True)
    ]
    runs.write_csv(folder / runs.HISTORY, lines)
    return folder


def fit(
    folder: Path, kind: str = "single", labels: tuple[str, ...] = ("negative", "positive")
) -> Path:
    """A folder of `steep fit`."""
    folder.mkdir(parents=True)
    task = {"kind": kind, "labels": list(labels)}
    metric = {"single": "accuracy", "multi": "micro_f1", "regression": "spearman"}[kind]
    given = {"text": "review", "label": "sentiment", "model": "bert-base-uncased", "seed": 3}
    args = options.make(FitArgs, **given)
    counted = () if kind == "regression" else labels
    runs.write_json(folder / runs.MANIFEST, manifest("fit", args, counted))
    parts = {part: predictions(task, 120, 0.5, i) for i, part in enumerate(("valid", "test"))}
    found = {part: summary(task, lines, metric) for part, lines in parts.items()}
    results = {"task": task, "metric": metric, "best_epoch": 3, "tokens_per_second": 9000.0} | found
    runs.write_json(folder / runs.RESULTS, results)
    runs.write_csv(folder / runs.HISTORY, history(metric))
    for part, lines in parts.items():
        runs.write_csv(folder / runs.PREDICTIONS / f"{part}.csv", lines)
    return folder


def evaluate(folder: Path) -> Path:
    """A folder of `steep evaluate`: no history, no validation part."""
    folder.mkdir(parents=True)
    task = {"kind": "single", "labels": ["no", "yes"]}
    lines = predictions(task, 60, 0.5, 0)
    found = manifest("evaluate", options.make(EvaluateArgs, label="answer"), ())
    found["data"] = {"files": [{"name": "test.csv", "rows": 60, "fingerprint": "ab"}]}
    runs.write_json(folder / runs.MANIFEST, found)
    results = {"task": task, "metric": "accuracy", "model": "model"}
    results["test"] = summary(task, lines, "accuracy")
    runs.write_json(folder / runs.RESULTS, results)
    runs.write_csv(folder / runs.PREDICTIONS / "test.csv", lines)
    return folder


def study(
    folder: Path,
    kind: str = "single",
    labels: tuple[str, ...] = ("negative", "positive"),
    arms: tuple[str, ...] = ("tfidf", "base", "adapted"),
    rows: int = 200,
) -> Path:
    """A folder of `steep compare` with five seeds."""
    folder.mkdir(parents=True)
    task = {"kind": kind, "labels": list(labels)}
    metric = {"single": "accuracy", "multi": "micro_f1", "regression": "spearman"}[kind]
    given = {"text": "review", "label": "sentiment", "unlabelled": ["my texts.txt"], "seeds": 5}
    args = options.make(CompareArgs, **given)
    values = {arm: [_cell(folder, task, metric, arm, s, rows) for s in range(5)] for arm in arms}
    facts = manifest("compare", args, () if kind == "regression" else labels)
    facts["data"]["files"].append({"name": "my texts.txt", "rows": 50_000, "fingerprint": "c0ff"})
    facts |= {"arms": list(arms), "seeds": list(range(5)), "budgets": [None]}
    facts |= {"task": task, "metric": metric}
    runs.write_json(folder / runs.STUDY, facts | {"step2_seconds": 741.0})
    runs.write_json(folder / runs.VERDICT, _verdict(metric, values))
    adapt(folder / "adapted")
    return folder


def _cell(folder: Path, task: dict[str, Any], metric: str, arm: str, seed: int, rows: int) -> float:
    skill = {"tfidf": 0.2, "base": 0.45, "adapted": 0.55}.get(arm, 0.4)
    lines = predictions(task, rows, skill, seed)
    value = float(np.mean([line["truth"] == line["predicted"] for line in lines]))
    if task["kind"] == "regression":
        value = 0.7 + skill / 5 + seed / 200
    name = f"{arm}-seed{seed}"
    found = {"arm": arm, "seed": seed, "seconds": 3.1 if arm == "tfidf" else 180.0 + seed}
    found |= {"diverged": False, "valid": {metric: value - 0.01, "mean_loss": 0.5}}
    found |= {"test": {metric: value, "mean_loss": 0.48}}
    found["history"] = [] if arm == "tfidf" else history(metric, seed + len(arm))
    (folder / runs.CELLS).mkdir(exist_ok=True)
    runs.write_json(folder / runs.CELLS / f"{name}.json", found)
    runs.write_csv(folder / runs.CELLS / f"{name}.csv", lines)
    return value


def _verdict(metric: str, values: dict[str, list[float]]) -> dict[str, Any]:
    arms = {
        arm: {
            "values": found,
            "seeds": list(range(len(found))),
            "mean": float(np.mean(found)),
            "sd": float(np.std(found, ddof=1)),
            "seconds": 180.0,
        }
        for arm, found in values.items()
    }
    gain = arms["adapted"]["mean"] - arms["base"]["mean"]
    compared = {"arm": "adapted", "against": "base", "gain": gain}
    compared |= {"low": gain - 0.017, "high": gain + 0.017}
    compared |= {"p_value": 0.024, "bootstrap_low": -0.002, "bootstrap_high": 0.044}
    compared |= {"differences": [0.02] * 5, "minimum_detectable": 0.018, "seeds_needed": 5}
    return {
        "answer": "yes",
        "sentence": f"Step 2 raised {metric} on the test part by {100 * gain:.1f} points.",
        "paragraph": f"Step 2 raised {metric} on the test part by {100 * gain:.1f} points. "
        "All five seeds gained. A gain of 1.8 points or more could have been shown "
        "with these seeds; the rows of the test part alone would allow for −0.2 to 4.4 points.",
        "metric": metric,
        "higher_is_better": True,
        "smallest_effect": 0.0,
        "arms": arms,
        "comparisons": [compared],
        "cost": {"step2_seconds": 741.0, "fit_seconds": 182.0, "ratio": 4.1},
        "warnings": ["2 texts occur in both training and test rows; see the notes below."],
    }
