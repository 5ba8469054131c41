"""Do copies of held-out rows come to light in every command, and go if they are to?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.leaks import COPIES, PLANTED, UNSPACED, plantings, sentences

Steep = Callable[..., Any]
LABEL = "--label label"


@pytest.fixture(scope="module")
def planted() -> tuple[dict[str, list[tuple[str, str]]], list[str]]:
    """Held-out rows of the bundled text and copies, by kind; and other rows."""
    texts = sentences(None)
    return plantings(texts[:1500]), texts[1500:1900]


def table(path: Path, texts: list[str]) -> Path:
    """A table of two classes in turn."""
    labels = ["ab"[number % 2] for number in range(len(texts))]
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", [*COPIES, *UNSPACED, "embedded, of all lengths"])
def test_copies_of_every_kind_are_left_out(
    steep: Steep, planted: Any, kind: str, tmp_path: Path
) -> None:
    (pairs, others), out = planted, tmp_path / "found.json"
    held, copies = map(list, zip(*pairs[kind], strict=True))
    test, train = table(tmp_path / "test.csv", held), table(tmp_path / "t.csv", others + copies)
    steep("check", train, LABEL, "--valid-share 0 --drop-leaks --test", test, "--out", out)
    found = json.loads(out.read_text())
    total = sum(found["copies"]["counts"]["train"].values())
    assert 95 <= total <= PLANTED
    assert found["parts"] == {"train": 500 - total, "valid": 0, "test": PLANTED}


def test_check_counts_and_shows_them(steep: Steep, tmp_path: Path) -> None:
    row = "the film 's ending , though , is as good as anything that this director has done ."
    others = ["a first row of other words", "a second one", "a third", "and a fourth"]
    texts = [*others, row.upper(), f"{row} So I was told by all of those who went there with me."]
    test = table(tmp_path / "test.csv", [row, "nothing like it"])
    train = table(tmp_path / "train.csv", [*texts, row.replace("done", "made")])
    done = steep("check", train, LABEL, "--valid-share 0 --test", test).stdout
    counts = "1 equal, 1 nearly equal, 1 holding one; rows 5 = test 1, 7 = test 1, 6 = test 1"
    assert f"train: 3 of 7 rows copy held-out rows ({counts})" in done
    assert "--drop-leaks leaves them out of the training" in done
    assert "copy: row 5 of train, equal: row 1 of test: 'THE FILM 'S ENDING" in done


@pytest.fixture(scope="module")
def leaking(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Tables of training and test rows; ten of the first are ten of the second in capitals."""
    folder, single = tmp_path_factory.mktemp("leaking"), pd.read_csv(tables / "single.csv")
    test = single.iloc[:40]
    copies = test.iloc[:10].assign(text=test["text"].str.upper() + "!")
    paths = folder / "train.csv", folder / "test.csv"
    pd.concat([single.iloc[40:], copies]).to_csv(paths[0], index=False)
    test.to_csv(paths[1], index=False)
    return paths


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "steep.json").read_text())


def test_fit_leaves_them_out_and_splits_as_ever(
    steep: Steep, leaking: tuple[Path, Path], tiny: str, tiny_bert: Path, tmp_path: Path
) -> None:
    train, test = leaking
    for name, option in (("kept", ""), ("left", "--drop-leaks")):
        common = (LABEL, tiny, "--epochs 1 --model", tiny_bert, "--test", test)
        steep("fit", train, *common, option, "--out", tmp_path / name)
    kept, left = (manifest(tmp_path / name) for name in ("kept", "left"))
    told = [n for n in left["notes"] if "rows copy held-out rows" in n]
    assert len(told) == 1
    assert told[0].endswith("they are left out")
    gone = kept["data"]["parts"]["train"] - left["data"]["parts"]["train"]
    assert told[0].startswith(f"train: {gone} of 153 rows copy")
    assert gone >= 9  # one may be a validation row
    splits = [json.loads((tmp_path / n / "splits.json").read_text()) for n in ("kept", "left")]
    assert splits[0] == splits[1]


@pytest.mark.parametrize("command", ["adapt", "compare"])
def test_step_2_and_studies_know_them(
    steep: Steep,
    leaking: tuple[Path, Path],
    tiny: str,
    tiny_bert: Path,
    tmp_path: Path,
    command: str,
) -> None:
    train, test = leaking
    words = (LABEL, tiny, "--model", tiny_bert, "--test", test, "--out", tmp_path / "out")
    (tmp_path / "short.toml").write_text("[adapt]\nmax_length = 32\n")
    study = ("--dry-run --config", tmp_path / "short.toml")
    short = ("--max-steps 1",) if command == "adapt" else study
    for option, fate in (("", "--drop-leaks leaves"), ("--drop-leaks", "they are left out")):
        done = steep(command, train, *words, *short, option, "--overwrite")
        (told,) = [x for x in done.stderr.splitlines() if "rows copy held-out rows" in x]
        assert fate in told


def test_a_class_of_nothing_but_copies_is_not_dropped(steep: Steep, tmp_path: Path) -> None:
    held = ["one text of a class", "another of the other class"]
    test, train = table(tmp_path / "t.csv", held), table(tmp_path / "u.csv", [*held, "own one"])
    words = ("check", train, LABEL, "--valid-share 0 --drop-leaks --test", test)
    done = steep(*words, code=2)
    assert "drop_leaks leaves no training row of b" in done.stderr
