"""Is a study what it says: its rows, seeds and budgets, its step 2, its failures, its verdict?"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from steep.args import AdaptArgs, CompareArgs, DataArgs, MachineArgs, TuneArgs
from steep.data.load import load
from steep.models.devices import choose
from steep.options import make
from steep.study import cells
from steep.study.arms import CellInput
from steep.study.cells import CellJob, Outcome
from steep.study.compare import ONE_ENCODER, OTHER_TEXT, UNDERTRAINED, cautions
from steep.study.design import plan_design
from steep.study.encoders import step2_args
from steep.train import classify

CPU = MachineArgs(device="cpu", precision="fp32")

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]


def test_the_study_names_its_seeds_rows_and_splits(whole: Path) -> None:
    study, splits = (json.loads((whole / f).read_text()) for f in ("study.json", "splits.json"))
    assert study["seeds"] == [0, 1]
    assert study["arms"] == ["tfidf", "base", "adapted"]
    assert study["format"] == 2
    assert study["data"]["parts"] == {p: len(splits[p]["rows"]) for p in ("train", "valid", "test")}
    for cell in (whole / "cells").glob("*.csv"):
        lines = cell.read_text().splitlines()[1:]
        assert [int(line.partition(",")[0]) for line in lines] == splits["test"]["rows"]


def test_the_arms_start_from_the_same_head_and_see_the_same_batches(
    whole: Path, tables: Path, tiny_bert: Path
) -> None:
    how, tune = make(DataArgs, label="label"), make(TuneArgs, max_length=32, pooling="model")
    data, machine = load(tables / "single.csv", how.table, how.split), choose(CPU)
    base = classify.learner(data, tiny_bert, tune, machine, 1)
    adapted = classify.learner(data, whole / "adapted", tune, machine, 1, tiny_bert)
    one, two = (learn.model.model.state_dict() for learn in (base, adapted))
    for name in ("classifier.weight", "classifier.bias", "bert.pooler.dense.weight"):
        assert torch.equal(one[name], two[name]), name
    moved = "bert.encoder.layer.1.output.dense.weight"
    assert not torch.equal(one[moved], two[moved])

    def tensors(batch: Any) -> list[Tensor]:
        return [x for part in batch for x in (part if isinstance(part, tuple) else (part,))]

    for left, right in zip(base.dls.train, adapted.dls.train, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(tensors(left), tensors(right), strict=True))


def test_step_2_of_a_study_is_what_steep_adapt_would_do() -> None:
    shared = {"label": "y", "split_seed": 3, "device": "cpu", "save_every": 1}
    own = {"masking": "span", "max_steps": 3, "warmup_ratio": 0.2, "probe": True}
    study = make(CompareArgs, model="m", warmup_ratio=0.4, epochs=9, adapt=own, **shared)
    args = step2_args(study, "m", plan_design(study).pretrain, 7)
    assert args == make(AdaptArgs, model="m", seed=7, **own, **shared)


def test_a_study_takes_step_2_and_step_3_from_one_file_and_minutes_from_a_flag(
    steep: Steep, base: Words, tmp_path: Path
) -> None:
    both, out = tmp_path / "both.toml", tmp_path / "study"
    both.write_text("[adapt]\nmax-length = 32\nmasking = 'word'\n[fit]\nbatch-size = 16")
    words = ("--arms base,adapted --seeds 1 --minutes 0.02 --config", both)
    steep(*base, *words, "--out", out)
    study, step2 = (json.loads((out / n).read_text()) for n in ("study.json", "adapted/steep.json"))
    assert (study["args"]["batch_size"], study["args"]["adapt"]["masking"]) == (16, "word")
    assert (step2["args"]["masking"], step2["args"]["minutes"]) == ("word", 0.02)
    assert (step2["args"]["max_length"], step2["args"]["epochs"]) == (32, None)
    both.write_text("[adapt]\nmax-length = 32\nepochs = 2")
    done = steep(*base, *words, "--out", tmp_path / "no", code=2)
    assert "options 'epochs' 2 and 'minutes' 0.02: only one of" in done.stderr


def test_an_undertrained_checkpoint_is_pointed_out() -> None:
    design = plan_design(make(CompareArgs, seeds=2))
    beaten = {"comparisons": [{"arm": "tfidf", "low": 0.1}]}
    assert cautions(beaten, design, False) == [ONE_ENCODER, UNDERTRAINED]
    for low in (-0.1, None):
        others = [{"arm": "tfidf", "low": low}, {"arm": "adapted", "low": 1}]
        assert cautions({"comparisons": others}, design, True) == []


def test_label_budgets_make_a_curve(steep: Steep, base: Words, tmp_path: Path) -> None:
    out = tmp_path / "study"
    budgets = "--label-budgets 40 --label-budgets 20"
    assert "x 2 label budgets" in steep(*base, budgets, "--out", out).stderr
    names = {path.stem for path in (out / "cells").glob("*.json")}
    arms = ("tfidf", "base", "adapted")
    assert names == {f"{a}-{n}-seed{s}" for a in arms for n in (20, 40) for s in (0, 1)}
    found = json.loads((out / "verdict.json").read_text())
    assert [part["labels"] for part in found["budgets"]] == [20, 40]
    steep("report", out)
    page = (out / "report.html").read_text()
    assert "Label curve" in page and "Step 2 by number of labels" in page
    done = steep(*base, "--label-budgets 0", "--out", tmp_path / "no", code=2)
    assert "label_budgets: every number of labels must be at least 1" in done.stderr
    for few in (1, 100_000):  # of two classes, and of some hundred rows
        done = steep(*base, "--label-budgets", str(few), "--out", tmp_path / "no", code=2)
        assert f"label_budgets {few:,}: there are " in done.stderr
        assert "training rows of 2 classes. Name numbers from 2 to " in done.stderr


def test_a_dry_run_writes_nothing_and_a_budget_cuts_the_design(
    steep: Steep, base: Words, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    done = steep(*base, "--dry-run --label-budgets 20 --label-budgets 40", "--out", out)
    assert "plan: 12 cells (tfidf, base, adapted x 2 seeds x 2 label budgets)" in done.stderr
    assert "one fit with 20 labels: about" in done.stderr and not out.exists()
    done = steep(*base, "--time-limit 1parsec", "--out", out, code=2)
    assert "time_limit '1parsec': write a time such as 90s, 60m or 8h" in done.stderr
    done = steep(*base, "--time-limit 0.1s --arms base,adapted,features", "--out", out, code=2)
    assert "two seeds of base and adapted alone take about" in done.stderr and not out.exists()


def test_a_cell_that_fails_twice_is_told_and_left_out(
    steep: Steep, base: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, tried, plain = tmp_path / "study", [], cells.run_cell

    def fail(common: CellInput, job: CellJob) -> Outcome:
        if (job.cell.arm, job.cell.seed) == ("adapted", 1):
            tried.append(job.cell)
            raise RuntimeError("out of memory")
        return plain(common, job)

    monkeypatch.setattr(cells, "run_cell", fail)
    done = steep(*base, "--out", out)
    assert len(tried) == 2
    assert "adapted, seed 1: failed twice (RuntimeError: out of memory); left out" in done.stderr
    found = json.loads((out / "verdict.json").read_text())
    assert any("adapted, seed 1: the run failed twice" in warning for warning in found["warnings"])
    monkeypatch.setattr(cells, "run_cell", plain)
    steep(*base, "--out", out)
    again = json.loads((out / "verdict.json").read_text())
    assert not any("failed twice" in warning for warning in again["warnings"])


def test_without_the_runs_of_the_most_labels_there_is_no_other_headline(
    steep: Steep, base: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = cells.run_cell

    def fail(common: CellInput, job: CellJob) -> Outcome:
        if (job.cell.arm, job.cell.labels) == ("adapted", 40):
            raise RuntimeError("out of memory")
        return plain(common, job)

    monkeypatch.setattr(cells, "run_cell", fail)
    words = ("--arms base,adapted --label-budgets 20 --label-budgets 40 --out", tmp_path / "study")
    done = steep(*base, *words, code=2)
    assert "every run of the arm adapted with 40 labels failed: RuntimeError" in done.stderr
    assert not (tmp_path / "study" / "verdict.json").exists()


def test_two_processes_come_to_the_same_results(
    steep: Steep, base: Words, whole: Path, tmp_path: Path
) -> None:
    steep(*base, "--jobs 2 --out", tmp_path / "study")
    for cell in sorted((whole / "cells").glob("*.csv")):
        assert cell.read_bytes() == (tmp_path / "study" / "cells" / cell.name).read_bytes()


def test_a_folder_that_is_adapted_already_is_used_as_it_is(
    steep: Steep, base: Words, whole: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    done, moved, out = whole / "adapted", tmp_path / "adapted", tmp_path / "study"
    steep(*base, "--model", done, "--out", out)
    assert not (out / "adapted" / "model.safetensors").exists()
    study = json.loads((out / "study.json").read_text())
    assert study["base"] == str(tiny_bert)  # as the manifest of the folder says
    assert (study["args"]["model"], study["args"]["base"]) == (str(done), None)
    for cell in sorted((whole / "cells").glob("*.csv")):
        assert cell.read_bytes() == (out / "cells" / cell.name).read_bytes()
    seconds = json.loads((whole / "study.json").read_text())["step2_seconds"]
    assert study | {"step2_seconds": seconds} == study
    steep("report", out)
    refused = steep(*base, "--model", done, "--step2-per-seed --out x", code=2)
    assert f"{done} is one finished step 2 for all seeds" in refused.stderr
    shutil.copytree(done, moved)
    manifest = json.loads((moved / "steep.json").read_text())
    (moved / "steep.json").write_text(json.dumps(manifest | {"base": "gone"}))
    refused = steep(*base, "--model", moved, "--out", tmp_path / "no", code=2)
    assert f"{moved} was adapted from gone, which is not there any more" in refused.stderr
    assert "with --base" in refused.stderr
    plan = steep(*base, "--model", moved, "--base", tiny_bert, "--dry-run --out", tmp_path / "no")
    assert "plan: 6 cells" in plan.stderr


def test_arms_with_a_step_2_of_their_own_may_have_read_other_text_than_a_given_folder() -> None:
    args = make(CompareArgs, arms="base,adapted,in-domain", in_domain=("a.txt",), seeds=1)
    design = plan_design(args)
    assert cautions({"comparisons": []}, design, False) == []
    found = cautions({"comparisons": []}, replace(design, given=Path("done")), False)
    assert found == [OTHER_TEXT.format(arms="in-domain")]
