"""Are the recipes what the papers say, and is a mistaken one refused with a clear message?"""

from pathlib import Path

import pytest

from steep.args import CompareArgs, FitArgs, recipe
from steep.args.recipe import names, told
from steep.errors import SteepError


@pytest.mark.parametrize("kind", [FitArgs, CompareArgs])
@pytest.mark.parametrize("name", ["features", "mosbach", "sun2019", "ulmfit"])
def test_each_is_options_of_fit_and_compare(name: str, kind: type) -> None:
    assert name in names()
    args = kind(**(recipe(name) | {"batch_size": 7}))
    assert (args.recipe, args.batch_size) == (name, 7)


def test_the_figures_are_those_of_the_papers() -> None:
    sun, ulmfit, mosbach = (FitArgs(**recipe(name)) for name in ("sun2019", "ulmfit", "mosbach"))
    assert (sun.learning_rate, sun.decay, sun.epochs, sun.batch_size) == (2e-5, 0.95, 4, 24)
    assert (sun.schedule, sun.warmup, sun.max_length) == ("slanted", 0.1, 512)
    assert ulmfit.decay == pytest.approx(1 / 2.6)
    assert (ulmfit.schedule, ulmfit.unfreeze, ulmfit.pooling) == ("slanted", "gradual", "concat")
    assert (mosbach.learning_rate, mosbach.epochs, mosbach.batch_size) == (2e-5, 20, 16)
    assert (mosbach.schedule, mosbach.warmup, mosbach.decay) == ("linear", 0.1, 1.0)


def test_what_came_from_it_is_told() -> None:
    args = FitArgs(**(recipe("mosbach") | {"epochs": 3, "clip": 2.0}))
    (said,) = told(args)
    assert said.startswith("recipe mosbach: learning_rate 2e-05, schedule linear,")
    assert said.endswith("; given instead: epochs 3 (not 20), clip 2.0 (not 1.0)")
    assert "given instead: unfreeze none (not never)" in told(FitArgs(recipe="features"))[0]
    assert told(FitArgs()) == []


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
