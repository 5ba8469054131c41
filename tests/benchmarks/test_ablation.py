"""Does the ablation run every arm of the paper's tables, paired, and resume when stopped?"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from safetensors.numpy import load_file
from typer.testing import CliRunner

from benchmarks import ablation, paired
from steep.data.corpus import Task
from steep.study.verdict import CellResult

TRAINING = "--seeds 2 --rates 1e-4 --rates 5e-3 --epochs 5 --max-length 32 --adapt-epochs 1"
MACHINE = "--device cpu --precision fp32"


def command(file: Path, model: Path, out: Path, *more: str) -> Result:
    line = [str(file), "--label", "label", "--model", str(model), "--out", str(out)]
    return CliRunner().invoke(ablation.app, [*line, *TRAINING.split(), *MACHINE.split(), *more])


def test_the_tables_of_the_paper_on_a_tiny_model(
    tiny_csv: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    out, few = tmp_path / "out", ("--label-budget", "60")
    done = command(tiny_csv, tiny_bert, out, *few)
    assert done.exit_code == 0, done.output
    found = json.loads((out / "ablation.json").read_text())["lines"]
    assert [(line["table"], line["arm"]) for line in found] == [
        *((7, arm) for arm in ablation.CLASSIFIER),
        *((6, arm) for arm in ("LM none", *ablation.LANGUAGE)),
    ]
    by_arm = {line["arm"]: line for line in found}
    assert all(line["seeds"] == [0, 1] for line in found)
    full, last = by_arm["full"], by_arm["last"]
    assert "gain" not in full
    assert last["gain"] == pytest.approx(np.mean(last["values"]) - np.mean(full["values"]))
    assert done.stdout.count("| freez+discr+stlr |") == 1
    one, two = (load_file(out / f"scratch-seed{s}" / "model.safetensors") for s in (0, 1))
    given = load_file(tiny_bert / "model.safetensors")["bert.pooler.dense.weight"]
    assert not np.allclose(one["pooler.dense.weight"], two["pooler.dense.weight"])
    assert not np.allclose(one["pooler.dense.weight"], given)

    kept = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    assert len(kept) == (10 + 3) * (2 + 1)
    removed = next(path for path in kept if path.name.startswith("full@") and "seed1" in path.name)
    removed.unlink()
    assert command(tiny_csv, tiny_bert, out, *few).exit_code == 0
    again = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    assert {path for path in again if again[path] != kept[path]} == {removed}
    same = json.loads((out / "ablation.json").read_text())["lines"]
    assert [line["values"] for line in same] == [line["values"] for line in found]
    other = command(tiny_csv, tiny_bert, out, "--label-budget", "50")
    assert other.exit_code == 2
    assert "holds an ablation with other options" in other.stderr


def test_too_few_epochs_are_reported_before_anything_runs(
    tiny_csv: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    done = command(tiny_csv, tiny_bert, tmp_path / "out", "--epochs", "4")
    assert done.exit_code == 2
    assert "epochs must be at least 5" in done.stderr
    assert not (tmp_path / "out").exists()


def cell(arm: str, seed: int, right: int, **more: Any) -> CellResult:
    wrong = np.arange(100) >= right
    return CellResult(arm, seed, 1.0, np.stack([wrong, ~wrong], axis=1).astype(float), **more)


def test_gains_are_paired_by_seed_and_p_values_corrected() -> None:
    cells = [cell("plain", seed, right) for seed, right in enumerate((50, 60, 70))]
    cells += [cell("good", seed, right) for seed, right in enumerate((71, 79, 90))]
    cells += [cell("same", seed, right) for seed, right in enumerate((49, 61, 70))]
    cells += [cell("lost", seed, 50, diverged=True) for seed in range(3)]
    task = Task("single", ("no", "yes"))
    found = paired.lines(task, np.ones(100, int), cells, "accuracy", "plain")
    good = found[1]
    assert good["gain"] == pytest.approx(0.2)
    assert good["low"] > 0
    assert good["p_holm"] == pytest.approx(2 * good["p_value"])
    assert found[2]["low"] < 0 < found[2]["high"]
    assert paired.gain(found[0]) == "–"
    assert paired.values(found[3]) == "diverged"
