"""Does a study stop where base has learnt nothing, say so, and begin anew with other options?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steep.study import cells

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]
FEW = "--arms base,adapted --seeds 1"


@pytest.fixture
def words(tables: Path, tiny_bert: Path, tiny: str, short_step2: Path) -> Words:
    """The words of a study of one seed."""
    files = ("--model", tiny_bert, "--config", short_step2)
    return ("compare", tables / "single.csv", "--label label", FEW, tiny, *files)


def never(*_: Any) -> None:
    pytest.fail("it was computed")


def test_a_base_that_has_learnt_nothing_ends_the_study_before_step_2(
    steep: Steep, words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, vain = tmp_path / "study", "--learning-rate 1e-9 --epochs 1 --out"
    done = steep(*words, vain, out)
    found = json.loads((out / "verdict.json").read_text())
    assert found["answer"] == "not valid yet"
    assert found["sentence"].startswith("Not valid yet: base has learnt nothing (seed 0)")
    assert (
        "it is no better than always predicting the most frequent class (accuracy"
        in found["sentence"]
    )
    for said in (found["sentence"], "--epochs", "--learning-rate", "--keep-going"):
        assert said in found["paragraph"] and said in done.stderr
    assert {path.name for path in (out / "cells").iterdir()} == {
        "base-seed0.json",
        "base-seed0.csv",
    }
    assert not (out / "adapted").exists()

    steep("report", out)
    for page in ("report.html", "report.md"):
        text = (out / page).read_text()
        assert "Not valid yet" in text and "Worst mistakes" not in text

    monkeypatch.setattr(cells, "run_cell", never)
    steep(*words, vain, out)  # again: looked at again, not computed again
    assert json.loads((out / "verdict.json").read_text()) == found
    monkeypatch.undo()

    more = "--learning-rate 5e-3 --epochs 10 --batch-size 16 --out"
    done = steep(*words, more, out)
    assert "it begins anew" in done.stderr
    found = json.loads((out / "verdict.json").read_text())
    assert found["answer"] == "cannot tell" and found["best"] == ""
    done = steep(*words, vain, out, code=2)
    assert "holds a study with other options" in done.stderr, "a verdict is not replaced"


def test_it_goes_on_where_it_is_told_to(steep: Steep, words: Words, tmp_path: Path) -> None:
    out, vain = tmp_path / "study", "--learning-rate 1e-9 --epochs 1"
    steep(*words, vain, "--out", out)
    kept = (out / "cells" / "base-seed0.csv").stat().st_mtime_ns
    steep(*words, vain, "--keep-going --out", out)
    found = json.loads((out / "verdict.json").read_text())
    assert found["answer"] == "cannot tell"
    assert found["warnings"][0].startswith("Not valid yet: base has learnt nothing")
    assert (out / "cells" / "base-seed0.csv").stat().st_mtime_ns == kept
    assert (out / "adapted").is_dir()
    steep(*words, vain, "--out", out)
    assert json.loads((out / "verdict.json").read_text())["answer"] == "cannot tell"
