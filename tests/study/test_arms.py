"""Do arms beside base and adapted run: recipes, files with a step 2 of their own, functions?"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

from steep import outputs, runs
from steep.args import CompareArgs
from steep.errors import SteepError
from steep.options import make
from steep.study.arms import Arm, CellInput, CellOutput, Step2Job
from steep.study.compare import ONE_ENCODER, compare

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]


def test_further_arms_and_an_encoder_for_every_seed(
    steep: Steep, base: Words, tables: Path, tmp_path: Path
) -> None:
    out, text = tmp_path / "study", tmp_path / "more.txt"
    text.write_text("a fine film about nothing at all\n" * 40)
    words = "--arms base,adapted,in-domain,longer --step2-per-seed --in-domain"
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
    assert ONE_ENCODER not in found["warnings"]


def test_recipes_are_arms_and_checked_before_step_2(
    steep: Steep, base: Words, tiny_bert: Path, tmp_path: Path
) -> None:
    out, long, own = tmp_path / "study", tmp_path / "long", tmp_path / "mine.toml"
    own.write_text("[fit]\nepochs = 2")
    words = ("--arms", f"base,adapted,features,sun2019,{own}", "--seeds 1 --label-budgets 40 --out")
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
    assert "resuming" in steep(*base, "--model", long, *words, out).stderr
    own.write_text("[fit]\nepochs = 3")
    done = steep(*base, "--model", long, *words, out, code=2)
    assert "holds a study with other recipes (their files have changed)" in done.stderr
    steep("report", out)
    assert "sun2019" in (out / "report.html").read_text()


def test_arms_with_equal_step_2_share_one_run(
    steep: Steep, base: Words, whole: Path, tmp_path: Path
) -> None:
    out, words, both = tmp_path / "study", tmp_path / "words.toml", tmp_path / "both.toml"
    same = tmp_path / "same.toml"
    words.write_text("[adapt]\nmasking = 'word'")
    both.write_text("[adapt]\nmasking = 'word'\n[fit]\nlearning-rate = 1e-3")
    same.write_text("[adapt]\n[fit]\nlearning-rate = 1e-3")
    arms = ("--arms", f"base,adapted,{words},{both},{same}", "--out", out)
    done = steep(*base, *arms)
    assert "step 2 for both: that of words" in done.stderr
    assert "step 2 for same: that of adapted" in done.stderr
    folders = {path.parent.name for path in out.glob("*/steep.json")}
    assert folders == {"adapted", "words"}
    study = json.loads((out / "study.json").read_text())
    assert study["step2"] == {
        **{"adapted": "adapted", "words": "words", "both": "words", "same": "adapted"}
    }
    assert study["recipes"]["same"] == {"fit": {"learning_rate": 1e-3}, "adapt": {}}
    options = json.loads((out / "words" / "steep.json").read_text())["args"]
    assert (options["masking"], options["max_length"]) == ("word", 32)
    first, second = (p / "adapted" / "model.safetensors" for p in (whole, out))
    assert first.read_bytes() == second.read_bytes()
    found = json.loads((out / "verdict.json").read_text())
    rivals = [c["against"] for c in found["comparisons"] if c["arm"] == "adapted"]
    assert rivals == ["base", "words", "both", "same"]
    steep("report", out)
    words.write_text("[adapt]\nmasking = 'span'")
    refused = steep(*base, *arms, code=2)
    assert "holds a study with other recipes (their files have changed)" in refused.stderr


def remember(job: Step2Job) -> None:
    """A step 2 that only keeps what it was given."""
    with outputs.writing(job.out, "remember", job.args) as run:
        run.record(files=[path.name for path in job.files], seed=job.args.seed.seed)


def guess(cell: CellInput) -> CellOutput:
    """Probabilities that depend on nothing but the seed."""
    assert cell.encoder is not None and (cell.encoder / runs.MANIFEST).is_file()
    random = np.random.default_rng(cell.seed)
    valid, test = (random.dirichlet((1, 1), len(c)) for c in (cell.data.valid, cell.test))
    return CellOutput(valid, test, [{"epoch": 1, "accuracy": 0.5}])


GUESS = Arm("guess", "guesses", guess, remember, rival=True, timed=False, options={"luck": "much"})


def test_an_arm_of_functions(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    out, more = tmp_path / "study", tmp_path / "more.txt"
    more.write_text("a fine film about nothing at all\n" * 40)
    args = make(
        CompareArgs,
        **{"model": tiny_bert, "label": "label", "arms": "base,adapted,guess", "seeds": 2},
        keep_going=True,
        **{"epochs": 1, "max_length": 32, "adapt": {"max_length": 32}, "unlabelled": (more,)},
        **{"precision": "fp32", "device": "cpu", "label_budgets": (40,), "jobs": 2},
    )
    compare(tables / "single.csv", out=out, args=args, arms=[GUESS])
    made = json.loads((out / "guess" / "steep.json").read_text())
    assert (made["stage"], made["files"], made["seed"]) == ("remember", ["more.txt"], 0)
    assert json.loads((out / "study.json").read_text())["args"]["luck"] == "much"
    found = json.loads((out / "verdict.json").read_text())
    assert ("adapted", "guess") in {(c["arm"], c["against"]) for c in found["comparisons"]}
    before = {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()}
    compare(tables / "single.csv", out=out, args=args, arms=[GUESS])
    assert before == {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()}
    with pytest.raises(SteepError, match=r"a study with other options \(luck\)"):
        other = replace(GUESS, options={"luck": "little"})
        compare(tables / "single.csv", out=out, args=args, arms=[other])
