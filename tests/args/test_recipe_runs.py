"""Does `--recipe` set what it says, below flags and files, and does the run say so?"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from steep.args import FitArgs
from steep.reports.reproduce import command_line

Steep = Callable[..., Result]


@pytest.fixture
def run(
    steep: Steep, tables: Path, tiny_bert: Path, columns: dict[str, str], tiny: str, tmp_path: Path
) -> Callable[[str], dict]:
    """The manifest of a fit with the options given."""

    def run(options: str) -> dict:
        files = (tables / "single.csv", columns["single"], "--model", tiny_bert)
        done = steep("fit", *files, tiny, options, "--out", tmp_path / "out")
        manifest = json.loads((tmp_path / "out" / "steep.json").read_text())
        for note in manifest["notes"]:
            assert " ".join(note.split()) in " ".join(done.stderr.split())
        return manifest

    return run


@pytest.mark.parametrize(
    ("name", "unfreeze"),
    [("sun2019", "none"), ("ulmfit", "gradual"), ("mosbach", "none"), ("features", "never")],
)
def test_each_recipe_trains(run: Callable[[str], dict], name: str, unfreeze: str) -> None:
    manifest = run(f"--recipe {name} --epochs 4 --label-budget 40")
    assert manifest["args"]["recipe"] == name
    assert manifest["args"]["unfreeze"] == unfreeze
    assert any(n.startswith(f"recipe {name}: ") for n in manifest["notes"])


def test_flags_win_over_files_and_files_over_recipes(
    run: Callable[[str], dict], tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(
        "[fit]\nbatch-size = 32\nmax-grad-norm = 0.5\nrecipe = 'mosbach'"
    )
    for order in ("--recipe mosbach --config {0}", "--config {0}"):
        given = order.format(tmp_path / "own.toml")
        # 3 epochs and 32 rows are the defaults, and nevertheless what was asked for
        args = run(f"{given} --epochs 3 --label-budget 40 --overwrite")["args"]
        assert (args["epochs"], args["batch_size"], args["max_grad_norm"]) == (3, 32, 0.5)
        assert (args["schedule"], args["learning_rate"]) == ("linear", 2e-5)


def test_the_command_of_a_report_needs_no_recipe(run: Callable[[str], dict]) -> None:
    manifest = run("--recipe mosbach --epochs 3 --label-budget 40")
    line = command_line("fit", FitArgs, manifest["args"], ["single.csv"], "out")
    assert "--recipe" not in line
    assert "--epochs 3" in line, "the default depends on the rows"
    assert "--schedule linear" in line


def test_an_unknown_recipe_is_answered_at_once(refused: Callable[..., str], tables: Path) -> None:
    said = refused("fit", tables / "single.csv", "--recipe ulmift --out x")
    assert "Did you mean 'ulmfit'?" in said


def test_a_study_takes_a_recipe_too(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, short_step2: Path, tmp_path: Path
) -> None:
    files = (tables / "single.csv", "--label label --model", tiny_bert, "--out", tmp_path / "study")
    few = (
        "--epochs 1 --label-budgets 40 --seeds 1 --arms base,adapted --keep-going --recipe mosbach "
    )
    few += "--config"
    steep("compare", *files, tiny, few, short_step2)
    study = json.loads((tmp_path / "study" / "study.json").read_text())
    assert (study["args"]["schedule"], study["args"]["epochs"]) == ("linear", 1)
    assert any(note.startswith("recipe mosbach: ") for note in study["notes"])
