"""Can a study be stopped and resumed, with the options that it had, and what of them may change?"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steep.stages import adapt
from steep.study import cells
from steep.study.arms import CellInput
from steep.study.cells import CellJob, Outcome

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]


def never(*_: Any) -> None:
    pytest.fail("it was computed again")


def verdict(study: Path) -> dict[str, Any]:
    """The verdict without what a clock measured."""
    found = json.loads((study / "verdict.json").read_text())
    for part in (found, *found["budgets"]):
        for arm in part["arms"].values():
            del arm["seconds"]
    before, _, after = found["paragraph"].partition(" Step 2 took ")
    return found | {"cost": None, "paragraph": before + after.partition(". ")[2]}


def test_a_stopped_study_resumes_where_it_was_and_ends_the_same(
    steep: Steep, base: Words, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ran, plain = tmp_path / "study", [], cells.run_cell

    def stop(common: CellInput, job: CellJob) -> Outcome:
        if len(ran) == 4:
            raise KeyboardInterrupt
        ran.append(job.cell)
        return plain(common, job)

    monkeypatch.setattr(cells, "run_cell", stop)
    stopped = steep(*base, "--out", out, code=130)
    assert "Finished cells of the study are kept" in stopped.stderr
    assert not (out / "verdict.json").exists()
    finished = {p: p.read_bytes() for p in (out / "cells").iterdir()}
    weights = (out / "adapted" / "model.safetensors").stat().st_mtime_ns

    def resume(common: CellInput, job: CellJob) -> Outcome:
        ran.append(job.cell)
        return plain(common, job)

    monkeypatch.setattr(cells, "run_cell", resume)
    steep(*base, "--out", out)
    assert len(ran) == len(set(ran)) == 6
    assert all(path.read_bytes() == content for path, content in finished.items())
    assert (out / "adapted" / "model.safetensors").stat().st_mtime_ns == weights
    assert verdict(out) == verdict(whole)
    for cell in sorted((whole / "cells").glob("*.csv")):
        assert cell.read_bytes() == (out / "cells" / cell.name).read_bytes()


def test_a_killed_study_comes_to_the_verdict_of_one_never_killed(
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
    assert "resuming the study that is there" in steep(*base, "--out", out).stderr
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
    monkeypatch.setattr(cells, "run_cell", never)
    monkeypatch.setattr(adapt, "adapt", never)
    known = verdict(whole)
    steep(*base, "--out", whole)
    assert verdict(whole) == known


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--epochs 2", "epochs"),
        ("--seeds 3", "seeds"),
        ("--test-share 0.3", "test_share"),
        ("--minutes 3", "minutes"),
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


def test_a_study_made_with_overwrite_can_be_resumed(
    steep: Steep, base: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    old = out / "cells" / "old-seed9.json"
    old.parent.mkdir(parents=True)
    old.write_text("of another study")
    (out / "study.json").write_text("{}")
    steep(*base, "--overwrite --out", out)
    assert not old.exists()
    monkeypatch.setattr(cells, "run_cell", never)
    steep(*base, "--out", out)


def test_what_changes_no_result_may_be_another(
    steep: Steep, base: Words, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "run_cell", never)
    done = steep(*base, "--jobs 2 --save-every 0 --dry-run", "--out", whole)
    assert "resuming the study that is there, 0 cells are left" in done.stderr


def test_another_step_2_is_another_study(
    steep: Steep, base: Words, whole: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[adapt]\nmax-length = 32\nmasking = 'word'")
    done = steep(*base, "--config", other, "--out", whole, code=2)
    assert "holds a study with other options (adapt)" in done.stderr


def test_a_study_of_an_older_version_is_refused(
    steep: Steep, base: Words, whole: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    study = json.loads((whole / "study.json").read_text())
    assert study.pop("format") == 2
    (old / "study.json").write_text(json.dumps(study))
    done = steep(*base, "--out", old, code=2)
    assert done.stderr == (
        f"Error: {old} holds a study of an older version of Steep, which this version cannot "
        "resume: choose another --out, or add --overwrite.\n"
    )
