"""Does --tune keep the learning rate that is best on validation rows, and nothing else?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from steep.shelf.tuning import tune as feature

Steep = Callable[..., Any]
SMALL = "--batch-size 8 --max-length 32 --device cpu --precision fp32 --epochs 2"


@pytest.fixture
def words(tables: Path, tiny_bert: Path) -> tuple[Path | str, ...]:
    """A fit of few steps on the table of classes."""
    return ("fit", tables / "single.csv", "--label label", SMALL, "--model", tiny_bert)


def read(folder: Path, name: str = "results.json") -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def test_the_best_rate_on_validation_rows_is_kept(
    steep: Steep, words: tuple, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    said = steep(*words, "--learning-rate 3e-3 --tune --out", out).stderr
    found = read(out)["tuning"]
    assert list(found["valid"]) == ["0.003", "0.001", "0.006"]
    assert max(found["valid"].values()) == found["valid"][f"{found['learning_rate']:g}"]
    assert read(out, "steep.json")["args"]["learning_rate"] == found["learning_rate"]
    assert "3 fits: " in said and "was chosen by accuracy on validation" in said
    assert "was chosen by accuracy" in "".join(read(out, "steep.json")["notes"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("model")] == ["model"]
    assert "# model" in (out / "README.md").read_text()

    plain = tmp_path / "plain"
    steep(*words, "--learning-rate", f"{found['learning_rate']:g}", "--out", plain)
    one, other = (load_file(folder / "model.safetensors") for folder in (out, plain))
    assert all((one[name] == other[name]).all() for name in one), "a fit as any other"
    steep("report", out)
    steep(*words, "--tune --out", out, "--overwrite")


def test_a_killed_search_is_resumed(
    steep: Steep, words: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calls, whole = tmp_path / "model", [], feature.fitted

    def killed(*given: Any, out: Path, **more: Any) -> dict[str, Any]:
        calls.append(out.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*given, out=out, **more)

    monkeypatch.setattr(feature, "fitted", killed)
    steep(*words, "--learning-rate 3e-3 --tune --out", out, code=130)
    assert not out.exists() and (tmp_path / "model.tuning" / "rate-0.003").is_dir()
    other = tmp_path / "model.tuning" / "rate-0.5"  # what another search left
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    said = steep(*words, "--learning-rate 3e-3 --tune --out", out).stderr
    assert "rate-0.003, as it is" in said
    assert calls == ["rate-0.003", "rate-0.001", "rate-0.001", "rate-0.006"]
    assert out.is_dir()
    assert [path.name for path in other.parent.iterdir()] == ["rate-0.5"], "nothing else is left"
    assert (other / "notes.txt").read_text() == "mine"


def test_a_place_in_use_is_refused_before_any_fit(
    steep: Steep, words: tuple, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("mine")
    for more in ("", "--overwrite"):
        steep(*words, "--tune --out", tmp_path / "model", more, code=2)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("scores", "metric", "best"),
    [
        ((0.7, 0.8, 0.6), "accuracy", 1),
        ((0.7, 0.7, 0.7), "accuracy", 0),
        ((None, 0.7, 0.8), "auc", 2),
        ((None, None, None), "auc", 0),
        ((0.7, 0.8, 0.6), "rmse", 2),
    ],
)
def test_ties_go_to_the_default(
    scores: tuple, metric: str, best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature, "_results", lambda folder: {"metric": metric})
    trials = [feature.Trial(Path(str(i)), i, score) for i, score in enumerate(scores)]
    assert feature._best(trials)[0].rate == best
