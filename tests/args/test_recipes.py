"""Are the recipes what the papers say, and is a mistaken one refused with a clear message?"""

from pathlib import Path
from typing import Any

import pytest

from steep.args import CompareArgs, FitArgs, TuneArgs
from steep.args.recipes import recipe, recipe_names, told
from steep.errors import SteepError
from steep.options import as_mapping, make


@pytest.mark.parametrize("kind", [FitArgs, CompareArgs])
@pytest.mark.parametrize("name", ["features", "mosbach", "sun2019", "ulmfit"])
def test_each_is_options_of_fit_and_compare(name: str, kind: type) -> None:
    assert name in recipe_names()
    args = make(kind, **(recipe(name) | {"batch_size": 7}))
    assert (args.recipe.recipe, args.tune.batch.batch_size) == (name, 7)


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
