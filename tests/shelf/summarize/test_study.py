"""Is the question of step 2 answered for summaries, with what can be found said beforehand?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steep.options import make
from steep.shelf.summarize import SummaryCompareArgs
from steep.shelf.summarize.study import planned, verdict
from tests.shelf.summarize.conftest import COLUMNS, SHORT

Steep = Callable[..., Any]


def test_the_plan_says_what_so_many_documents_find() -> None:
    draw = np.random.default_rng(0)
    apart = draw.normal(0, 12.2, 200)
    expected = 2.80 * apart.std(ddof=1) / 200**0.5
    assert f"200 test documents find differences of {expected:.1f} points" in planned(
        apart, np.zeros(200)
    )


@pytest.mark.parametrize(("gain", "answer"), [(3.0, "yes"), (-3.0, "no"), (0.0, "cannot tell")])
def test_the_answer_is_paired_over_documents_and_seeds(gain: float, answer: str) -> None:
    draw = np.random.default_rng(1)
    base = draw.normal(40, 12, (200, 1)) + draw.normal(0, 1, (200, 5))
    noise = draw.normal(0, 4, (200, 5))
    adapted = base + gain + noise - noise.mean()
    lead = draw.normal(30, 12, (200, 1))
    scores = {"base": base, "adapted": adapted, "lead": lead, "textrank": lead - 5}
    found = verdict(scores, make(SummaryCompareArgs))
    assert found["answer"] == answer
    main, *others = found["comparisons"]
    assert main["gain"] == pytest.approx(gain, abs=1e-9)
    assert main["main"] and not any(other["main"] for other in others)
    assert all(other["p_holm"] >= other["p_value"] for other in others)
    assert "95 % interval" in found["sentence"]


def test_a_study_runs_and_goes_on(
    steep: Steep, articles: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    out, config = tmp_path / "study", tmp_path / "study.toml"
    config.write_text("[adapt]\nmax-length = 32\nepochs = 0.5\n")
    files = (articles, COLUMNS, "--model", tiny_bert, SHORT, "--config", config)
    words = ("summarize compare", *files, "--seeds 2 --epochs 1 --sentences 2")
    plan = steep(*words, "--dry-run --out", out)
    assert "24 test documents find differences of" in plan.stderr
    assert not out.exists()
    done = steep(*words, "--out", out)
    found = json.loads((out / "verdict.json").read_text())
    assert set(found["arms"]) == {"lead", "textrank", "base", "adapted"}
    assert len(found["arms"]["base"]["values"]) == 2
    assert found["sentence"] in done.stderr
    (out / "cells" / "adapted-seed1.json").unlink()
    kept = (out / "cells" / "base-seed0.json").stat().st_mtime_ns
    again = steep(*words, "--out", out)
    assert "resuming the study" in again.stderr
    assert (out / "cells" / "base-seed0.json").stat().st_mtime_ns == kept
    assert json.loads((out / "verdict.json").read_text()) == found
    steep("report", out)
    page = (out / "report.md").read_text(encoding="utf-8")
    for row in ("adapted over base", "adapted over lead", "base over textrank"):
        assert f"| {row} |" in page
    lead = found["arms"]["lead"]["values"][0]
    assert f"| lead | {lead:.3f} |" in page
    assert "steep summarize compare articles.jsonl" in page
    assert "masked loss" in page
    other = steep(*words, "--batch-size 4 --out", out, code=2)
    assert "holds a study with other options" in other.stderr
