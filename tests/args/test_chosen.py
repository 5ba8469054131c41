"""Is all of a TOML file read, or said not to be? Are the recipes what the papers say?"""

from pathlib import Path
from typing import Any

import pytest

from steep.args import CompareArgs, FitArgs, TuneArgs
from steep.args.chosen import COMMANDS, options_for, recipe, recipe_names, told
from steep.cli import app
from steep.errors import SteepError
from steep.options import as_mapping, make


def test_a_table_can_be_named_after_every_command() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    for group in app.registered_groups:
        names |= {
            f"{group.name}_{command.name}" for command in group.typer_instance.registered_commands
        }
    assert {name.replace("-", "_") for name in names} | {"read"} == {*COMMANDS}


@pytest.mark.parametrize("name", ["fits", "Fit", "tool", "x" * 5_000])
def test_a_table_of_no_command_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[{name}]\nepochs = 1\n[fit]\nepochs = 2\n")
    with pytest.raises(SteepError, match=r"c\.toml: there is no command for the table") as refused:
        options_for(FitArgs, "fit", {"config": path})
    assert len(str(refused.value)) < len(str(path)) + 300
    assert ("Did you mean 'fit'?" in str(refused.value)) == (name in ("fits", "Fit"))


def test_a_file_without_a_table_of_the_command_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[select]\ncount = 3\n")
    assert options_for(FitArgs, "fit", {"config": path}) == FitArgs()
    assert "c.toml: has no table [fit], so nothing of it is used" in capsys.readouterr().err
    assert options_for(CompareArgs, "compare", {"config": path}) == CompareArgs()
    assert "has no table [adapt] or [compare] or [fit]" in capsys.readouterr().err
    path.write_text("[fit]\nepochs = 2\n")
    assert options_for(CompareArgs, "compare", {"config": path}).tune.epochs.epochs == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [FitArgs, CompareArgs])
@pytest.mark.parametrize("name", ["features", "mosbach", "sun2019", "ulmfit"])
def test_each_is_options_of_fit_and_compare(name: str, kind: type) -> None:
    assert name in recipe_names()
    args = make(kind, **(recipe(name) | {"batch_size": 7}))
    assert (args.recipe.recipe, args.tune.batch.size) == (name, 7)


def figures(name: str) -> dict[str, Any]:
    return as_mapping(make(TuneArgs, **{n: v for n, v in recipe(name).items() if n != "recipe"}))


def test_the_figures_are_those_of_the_papers() -> None:
    assert (
        figures("sun2019").items()
        >= {
            **{"learning_rate": 2e-5, "layer_decay": 0.95, "epochs": 4, "batch_size": 24},
            **{"schedule": "slanted", "warmup_ratio": 0.1, "max_length": 512},
        }.items()
    )
    ulmfit = figures("ulmfit")
    assert ulmfit["layer_decay"] == pytest.approx(1 / 2.6)
    known = {"schedule": "slanted", "unfreeze": "gradual", "pooling": "concat"}
    assert ulmfit.items() >= known.items()
    assert (
        figures("mosbach").items()
        >= {
            **{"learning_rate": 2e-5, "epochs": 20, "batch_size": 16, "schedule": "linear"},
            **{"warmup_ratio": 0.1, "layer_decay": 1.0, "max_grad_norm": 1.0},
        }.items()
    )


def test_what_came_from_it_is_told() -> None:
    args = make(FitArgs, **(recipe("mosbach") | {"epochs": 3, "max_grad_norm": 2.0}))
    (said,) = told(args.recipe, args.tune)
    assert said.startswith("recipe mosbach: learning_rate 2e-05, schedule linear,")
    assert said.endswith("; given instead: epochs 3 (not 20), max_grad_norm 2.0 (not 1.0)")
    other = make(FitArgs, recipe="features")
    assert "given instead: unfreeze none (not never)" in told(other.recipe, other.tune)[0]
    assert told(FitArgs().recipe, FitArgs().tune) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[fit]\nepoch = 3", r"own.toml: \[fit\]: there is no option 'epoch'. .* 'epochs'"),
        ("[fit]\nthreshold = 'f1'", "there is no option 'threshold'"),
        ("[fit]\nepochs = 'many'", "must be a whole number, not 'many'"),
        ("[adapt]\nepochs = 3", r"a recipe is a table \[fit\] of options"),
        ("[fit]\nrecipe = 'ulmfit'", "without another recipe"),
        ("epochs", "not valid TOML"),
    ],
)
def test_a_file_of_the_users_own(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[fit]\nepochs = 9")
    assert recipe(str(path)) == {"epochs": 9, "recipe": str(path)}
    path.write_text(content)
    with pytest.raises(SteepError, match=message):
        recipe(str(path))


def test_an_unknown_one_is_answered_with_the_nearest() -> None:
    with pytest.raises(SteepError, match="no recipe 'sun19'; there are .* Did you mean 'sun2019'"):
        recipe("sun19")
    with pytest.raises(SteepError, match="Or name a TOML file of your own"):
        recipe("xyz")
    with pytest.raises(SteepError, match="there is no such file"):
        recipe("missing.toml")
