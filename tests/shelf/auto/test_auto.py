"""Does auto take the steps, keep one of them, say what each found, and resume?"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import steep as library
from steep.errors import SteepError

Steep = Callable[..., Any]
SMALL = "--label label --batch-size 8 --max-length 32 --device cpu --precision fp32"
QUICK = f"--epochs 6 --learning-rate 3e-3 --minutes 0.02 {SMALL}"


@pytest.fixture
def pile(tables: Path, tmp_path: Path) -> Path:
    path = tmp_path / "pile.csv"
    texts = pd.read_csv(tables / "single.csv")["text"]
    pd.DataFrame({"text": [f"{text} indeed and more" for text in texts]}).to_csv(path, index=False)
    return path


@pytest.fixture
def words(tables: Path, tiny_bert: Path, pile: Path, tmp_path: Path) -> tuple[Path | str, ...]:
    """The words of a command whose step 2 has windows that the tiny model reads."""
    config = tmp_path / "short.toml"
    config.write_text("[adapt]\nmax_length = 32\n")
    data = (tables / "single.csv", pile, "--model", tiny_bert, "--config", config)
    return ("auto", *data, QUICK, "--out", tmp_path / "best")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_step_is_kept_and_all_are_told(
    steep: Steep, words: tuple, pile: Path, tmp_path: Path
) -> None:
    out = tmp_path / "best"
    shown = steep(*words).stderr
    results, manifest = read(out / "results.json"), read(out / "steep.json")
    found = results["auto"]
    names = [step["name"] for step in found["steps"]]
    assert names == ["frozen encoder", "fit", "step 2 and fit", "self-training"]
    scores = {step["name"]: step["valid"] for step in found["steps"]}
    assert found["best"] == max(scores, key=lambda name: scores[name])  # the first of equal ones
    assert found["kept"] in ("fit", found["best"])
    assert scores[found["kept"]] == results["valid"]["metrics"]["accuracy"]["value"]
    assert all(step["seconds"] > 0 for step in found["steps"])
    assert re.search(r"teacher: \S+best.steps/[12], as it is", shown)  # a fit that is there
    assert not (tmp_path / "best.steps" / "3.teacher").exists()
    assert "frozen encoder, fit, step 2 and fit, self-training: " in shown
    assert f"; kept: {found['kept']}" in shown
    assert any(f"; kept: {found['kept']}" in note for note in manifest["notes"])
    assert len(library.predict(out, ["a fine film"])) == 1

    shutil.rmtree(out)  # as if it was killed before its end: what is there is taken as it is
    again = steep(*words).stderr
    assert f"step 2: {tmp_path / 'best.steps' / 'adapted'}, as it is" in again
    assert read(out / "results.json")["auto"]["kept"] == found["kept"]

    shutil.rmtree(out)  # another pile is another step 2
    pile.write_text(pile.read_text() + "one more text of the pile\n")
    assert "adapted, as it is" not in steep(*words).stderr


def test_after_two_steps_without_a_gain_no_further_one_is_taken(
    steep: Steep, words: tuple, tmp_path: Path
) -> None:
    """With a learning rate of next to nothing, no step but the frozen encoder learns."""
    shown = steep(*words, "--learning-rate 1e-9").stderr
    assert "self-training: not tried, as the 2 steps before gained nothing" in shown
    found = read(tmp_path / "best" / "results.json")["auto"]
    assert (found["best"], found["kept"]) == ("frozen encoder", "fit")  # by one row of twenty
    assert "kept: fit, from which these rows cannot tell frozen encoder" in shown


def test_what_makes_no_sense_is_refused(tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"label": "label", "out": tmp_path / "best"}
    with pytest.raises(SteepError, match="leave --label-budget and --shots out"):
        library.auto(tables / "single.csv", (), tiny_bert, shots=4, **given)
    adapted = library.adapt(
        tables / "single.csv", tiny_bert, out=tmp_path / "adapted", max_steps=2, max_length=32
    )
    with pytest.raises(SteepError, match="step 2 has run already. Give auto the checkpoint before"):
        library.auto(tables / "single.csv", (), adapted, **given)
    assert not (tmp_path / "best").exists()
