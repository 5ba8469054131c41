"""Can a study be stopped and gone on with, and are its arms alike but for the encoder?"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

from steep.args import AdaptArgs, CompareArgs, FitArgs
from steep.data.load import read
from steep.stages import compare as stage
from steep.stages import encoders
from steep.study.design import Cell
from steep.train import engine

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]


@pytest.fixture(scope="session")
def base(tables: Path, tiny_bert: Path, tiny: str) -> Words:
    """The words of a study of two seeds."""
    options = "--label label --epochs 1 --seeds 2 --learning-rate 2e-3 --adapt-max-length 32"
    return ("compare", tables / "single.csv", options, tiny, "--model", tiny_bert)


@pytest.fixture(scope="session")
def whole(steep: Steep, base: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that nobody stopped."""
    out = tmp_path_factory.mktemp("study") / "whole"
    steep(*base, "--out", out)
    return out


def verdict(study: Path) -> dict[str, Any]:
    """The verdict without what a clock measured."""
    found = json.loads((study / "verdict.json").read_text())
    for part in (found, *found["budgets"]):
        for arm in part["arms"].values():
            del arm["seconds"]
    before, _, after = found["paragraph"].partition(" Step 2 took ")
    return found | {"cost": None, "paragraph": before + after.partition(". ")[2]}


def test_a_stopped_study_goes_on_where_it_was_and_ends_the_same(
    steep: Steep, base: Words, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ran, plain = tmp_path / "study", [], stage.run

    def stop(cell: Cell, *rest: Any) -> Any:
        if len(ran) == 4:
            raise KeyboardInterrupt
        ran.append(cell)
        return plain(cell, *rest)

    monkeypatch.setattr(stage, "run", stop)
    stopped = steep(*base, "--out", out, code=130)
    assert "Finished cells of the study are kept" in stopped.stderr
    assert not (out / "verdict.json").exists()
    finished = {p: p.read_bytes() for p in (out / "cells").iterdir()}
    weights = (out / "adapted" / "model.safetensors").stat().st_mtime_ns

    def go_on(cell: Cell, *rest: Any) -> Any:
        ran.append(cell)
        return plain(cell, *rest)

    monkeypatch.setattr(stage, "run", go_on)
    steep(*base, "--out", out)
    assert len(ran) == len(set(ran)) == 6
    assert all(path.read_bytes() == content for path, content in finished.items())
    assert (out / "adapted" / "model.safetensors").stat().st_mtime_ns == weights
    assert verdict(out) == verdict(whole)
    for cell in sorted((whole / "cells").glob("*.csv")):
        assert cell.read_bytes() == (out / "cells" / cell.name).read_bytes()


def test_a_killed_study_goes_on_to_the_verdict_of_one_never_killed(
    steep: Steep, base: Words, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    words = [w for part in base for w in ([str(part)] if isinstance(part, Path) else part.split())]
    line = [sys.executable, "-m", "steep", *words, "--out", str(out)]
    killed = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.glob("cells/*.json"))) < 2:
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (out / "verdict.json").exists()
    assert "going on with the study that is there" in steep(*base, "--out", out).stderr
    assert verdict(out) == verdict(whole)
    for cell in sorted((whole / "cells").glob("*.csv")):
        assert cell.read_bytes() == (out / "cells" / cell.name).read_bytes()


def test_a_lost_cell_is_computed_again_to_the_same_verdict(
    steep: Steep, base: Words, whole: Path
) -> None:
    known, lost = verdict(whole), whole / "cells" / "adapted-seed1.json"
    lost.unlink()
    assert "adapted, seed 1: accuracy" in steep(*base, "--out", whole).stderr
    assert lost.is_file()
    assert verdict(whole) == known


def test_a_finished_study_computes_nothing_again(
    steep: Steep, base: Words, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "run", None)
    monkeypatch.setattr(encoders, "adapt", None)
    known = verdict(whole)
    steep(*base, "--out", whole)
    assert verdict(whole) == known


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--epochs 2", "epochs"),
        ("--seeds 3", "seeds"),
        ("--test-share 0.3", "test_share"),
    ],
)
def test_other_options_for_a_study_that_is_there_are_one_error(
    steep: Steep, base: Words, whole: Path, words: str, told: str
) -> None:
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*")}
    done = steep(*base, words, "--out", whole, code=2)
    assert done.stderr.startswith(f"Error: {whole} holds a study with other ")
    assert told in done.stderr
    assert "--overwrite" in done.stderr
    assert done.stderr.count("\n") == 1
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*")} == before


def test_other_rows_for_a_study_that_is_there_are_one_error(
    steep: Steep, base: Words, whole: Path, tables: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "single.csv"
    fewer.write_text("".join(tables.joinpath("single.csv").open().readlines()[:-2]))
    done = steep("compare", fewer, *base[2:], "--out", whole, code=2)
    assert done.stderr.count("\n") == 1
    assert "holds a study with other" in done.stderr


def test_a_study_made_with_overwrite_can_be_gone_on_with(
    steep: Steep, base: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    out.mkdir()
    (out / "old.txt").write_text("of another study")
    (out / "study.json").write_text("{}")
    steep(*base, "--overwrite --out", out)
    assert not (out / "old.txt").exists()
    monkeypatch.setattr(stage, "run", None)
    steep(*base, "--out", out)


def test_the_study_names_its_seeds_rows_and_splits(whole: Path) -> None:
    study, splits = (json.loads((whole / f).read_text()) for f in ("study.json", "splits.json"))
    assert study["seeds"] == [0, 1]
    assert study["arms"] == ["tfidf", "base", "adapted"]
    assert study["data"]["parts"] == {p: len(splits[p]["rows"]) for p in ("train", "valid", "test")}
    for cell in (whole / "cells").glob("*.csv"):
        lines = cell.read_text().splitlines()[1:]
        assert [int(line.partition(",")[0]) for line in lines] == splits["test"]["rows"]


def test_the_arms_start_from_the_same_head_and_see_the_same_batches(
    whole: Path, tables: Path, tiny_bert: Path
) -> None:
    data = read(tables / "single.csv", label="label")
    args = FitArgs(seed=1, max_length=32, precision="fp32", device="cpu")
    base = engine.learner(data, tiny_bert, args)
    adapted = engine.learner(data, whole / "adapted", args, tiny_bert)
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
    args = CompareArgs(model="m", warmup=0.4, weight_decay=0.2, epochs=9, label="y", split_seed=3)
    same = AdaptArgs(model="m", label="y", split_seed=3, epochs=1.0)
    assert encoders.adapting(args, 0) == same


def test_an_undertrained_checkpoint_is_pointed_out() -> None:
    args = CompareArgs(seeds=2)
    beaten = {"comparisons": [{"arm": "tfidf", "low": 0.1}]}
    assert stage._cautions(beaten, args) == [stage.ONE_ENCODER, stage.UNDERTRAINED]
    for low in (-0.1, None):
        assert stage.UNDERTRAINED not in stage._cautions(
            {"comparisons": [{"arm": "tfidf", "low": low}, {"arm": "adapted", "low": 1}]}, args
        )


def test_label_budgets_make_a_curve(steep: Steep, base: Words, tmp_path: Path) -> None:
    out = tmp_path / "study"
    budgets = "--label-budget 40 --label-budget 20"
    assert "x 2 label budgets" in steep(*base, budgets, "--out", out).stderr
    names = {path.stem for path in (out / "cells").glob("*.json")}
    arms = ("tfidf", "base", "adapted")
    assert names == {f"{a}-{n}-seed{s}" for a in arms for n in (20, 40) for s in (0, 1)}
    found = json.loads((out / "verdict.json").read_text())
    assert [part["labels"] for part in found["budgets"]] == [20, 40]
    steep("report", out)
    page = (out / "report.html").read_text()
    assert "Label curve" in page and "Step 2 by number of labels" in page
    done = steep(*base, "--label-budget 0", "--out", tmp_path / "no", code=2)
    assert "label_budget: every number of labels must be at least 1" in done.stderr


def test_further_arms_and_an_encoder_for_every_seed(
    steep: Steep, base: Words, tables: Path, tmp_path: Path
) -> None:
    out, text = tmp_path / "study", tmp_path / "more.txt"
    text.write_text("a fine film about nothing at all\n" * 40)
    words = "--arms base,adapted,in-domain,longer --adapt-per-seed --in-domain"
    done = steep(*base, words, text, "--out", out)
    assert "plan: 8 cells (base, adapted, in-domain, longer x 2 seeds)" in done.stderr
    folders = {path.name for path in out.iterdir() if (path / "model.safetensors").is_file()}
    assert folders == {f"{arm}{own}" for arm in ("adapted", "in-domain") for own in ("", "-seed1")}
    longer = json.loads((out / "cells" / "longer-seed0.json").read_text())
    assert longer["epochs"] > 1
    found = json.loads((out / "verdict.json").read_text())
    assert {(c["arm"], c["against"]) for c in found["comparisons"]} == {
        *(("adapted", "base"), ("adapted", "longer")),
        *(("in-domain", "base"), ("longer", "base")),
    }
    assert stage.ONE_ENCODER not in found["warnings"]


def test_recipes_are_arms_and_checked_before_step_2(
    steep: Steep, base: Words, tiny_bert: Path, tmp_path: Path
) -> None:
    out, long, own = tmp_path / "study", tmp_path / "long", tmp_path / "mine.toml"
    own.write_text("[fit]\nepochs = 2")
    words = ("--arms", f"base,adapted,features,sun2019,{own}", "--seeds 1 --label-budget 40 --out")
    done = steep(*base, *words, out, code=2)
    assert "Error: arm sun2019: " in done.stderr and not out.exists()
    shutil.copytree(tiny_bert, long)
    config = BertConfig.from_pretrained(tiny_bert, max_position_embeddings=512)
    BertForPreTraining(config).save_pretrained(long)
    BertTokenizerFast.from_pretrained(long, model_max_length=512).save_pretrained(long)
    done = steep(*base, "--model", long, *words, out)
    assert "one fit with 40 labels of features: about" in done.stderr
    epochs = {p.stem: json.loads(p.read_text())["epochs"] for p in (out / "cells").glob("*.json")}
    arms = {"base": 1, "adapted": 1, "features": 50, "sun2019": 4, "mine": 2}
    assert epochs == {f"{arm}-40-seed0": number for arm, number in arms.items()}
    found = json.loads((out / "verdict.json").read_text())
    assert {(c["arm"], c["against"]) for c in found["comparisons"]} == {
        *(("adapted", "base"), ("adapted", "features"), ("features", "base")),
        *(("sun2019", "base"), ("mine", "base")),
    }
    assert "arm mine: base with epochs 2" in json.loads((out / "study.json").read_text())["notes"]
    assert "going on" in steep(*base, "--model", long, *words, out).stderr
    own.write_text("[fit]\nepochs = 3")
    done = steep(*base, "--model", long, *words, out, code=2)
    assert "holds a study with other recipes (their files have changed)" in done.stderr
    steep("report", out)
    assert "sun2019" in (out / "report.html").read_text()


def test_a_dry_run_writes_nothing_and_a_budget_cuts_the_design(
    steep: Steep, base: Words, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    done = steep(*base, "--dry-run --label-budget 20 --label-budget 40", "--out", out)
    assert "plan: 12 cells (tfidf, base, adapted x 2 seeds x 2 label budgets)" in done.stderr
    assert "one fit with 20 labels: about" in done.stderr and not out.exists()
    done = steep(*base, "--budget 1parsec", "--out", out, code=2)
    assert "write a time such as 90s, 60m or 8h" in done.stderr


def test_a_cell_that_fails_twice_is_told_and_left_out(
    steep: Steep, base: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, tried, plain = tmp_path / "study", [], stage.run

    def fail(cell: Cell, *rest: Any) -> Any:
        if (cell.arm, cell.seed) == ("adapted", 1):
            tried.append(cell)
            raise RuntimeError("out of memory")
        return plain(cell, *rest)

    monkeypatch.setattr(stage, "run", fail)
    done = steep(*base, "--out", out)
    assert len(tried) == 2
    assert "adapted, seed 1: failed twice (RuntimeError: out of memory); left out" in done.stderr
    found = json.loads((out / "verdict.json").read_text())
    assert any("adapted, seed 1: the run failed twice" in warning for warning in found["warnings"])
    monkeypatch.setattr(stage, "run", plain)
    steep(*base, "--out", out)
    again = json.loads((out / "verdict.json").read_text())
    assert not any("failed twice" in warning for warning in again["warnings"])


def test_without_the_runs_of_the_most_labels_there_is_no_other_headline(
    steep: Steep, base: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = stage.run

    def fail(cell: Cell, *rest: Any) -> Any:
        if (cell.arm, cell.labels) == ("adapted", 40):
            raise RuntimeError("out of memory")
        return plain(cell, *rest)

    monkeypatch.setattr(stage, "run", fail)
    words = ("--arms base,adapted --label-budget 20 --label-budget 40 --out", tmp_path / "study")
    done = steep(*base, *words, code=2)
    assert "every run of the arm adapted with 40 labels failed: RuntimeError" in done.stderr
    assert not (tmp_path / "study" / "verdict.json").exists()


def test_the_awd_lstm_of_fastai_is_an_arm(
    steep: Steep, base: Words, tiny_awd: Path, tables: Path, tmp_path: Path
) -> None:
    out, text = tmp_path / "study", tmp_path / "more.txt"
    held = (tables / "single.csv").read_text().splitlines()[1:]
    text.write_text("a fine film about nothing at all\n" * 40 + "\n".join(x[6:] for x in held))
    words = (*base, "--arms base,adapted,awd-lstm --label-budget 40 --unlabelled", text)
    empty = tmp_path / "empty"
    empty.mkdir()
    done = steep(*words, "--awd-lstm", empty, "--out", out, code=2)
    assert f"arm awd-lstm: {empty} must hold one file of weights" in done.stderr
    assert not out.exists()
    done = steep(*words, "--awd-lstm", tiny_awd, "--out", out)
    assert "awd-lstm comes on top: its time is not estimated" in done.stderr
    made = json.loads((out / "awd-lstm" / "steep.json").read_text())
    assert any("are left out" in note for note in made["notes"])  # the texts of the test rows
    for seed in (0, 1):  # on the same label sample and rows as the others
        cells = [out / "cells" / f"{arm}-40-seed{seed}.csv" for arm in ("base", "awd-lstm")]
        rows = [[line.partition(",")[0] for line in p.read_text().splitlines()] for p in cells]
        assert rows[0] == rows[1]
    found = json.loads((out / "verdict.json").read_text())
    assert {(c["arm"], c["against"]) for c in found["comparisons"]} == {
        *(("adapted", "base"), ("adapted", "awd-lstm"), ("awd-lstm", "base")),
    }
    steep("report", out)
    assert "awd-lstm" in (out / "report.html").read_text()
    (out / "cells" / "awd-lstm-40-seed1.json").unlink()
    assert "going on" in steep(*words, "--awd-lstm", tiny_awd, "--out", out).stderr
    again = json.loads((out / "verdict.json").read_text())
    assert again["arms"]["awd-lstm"]["values"] == found["arms"]["awd-lstm"]["values"]
