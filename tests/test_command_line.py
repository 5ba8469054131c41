"""Does the command line of a run lead to the same options?"""

import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from steep.args import AdaptArgs, CompareArgs, DemoArgs, EvaluateArgs, FitArgs, PredictArgs
from steep.command_line import command_line, config_file, files_in_options, tables_in_toml
from steep.options import as_mapping, make, options_of


def said(stage: str, args: Any, *inputs: str) -> list[str]:
    """The words of the command."""
    return shlex.split(command_line(stage, type(args), as_mapping(args), inputs, "out"))


def test_only_what_differs_from_the_defaults_is_said() -> None:
    args = make(FitArgs, label="kind of thing", model="m", epochs=4)
    line = command_line("fit", FitArgs, as_mapping(args), [Path("a b.csv")], Path("model"))
    assert line == "steep fit 'a b.csv' --label 'kind of thing' --model m --epochs 4 --out model"
    assert command_line("predict", PredictArgs, {}, ["m", "t.csv"]) == "steep predict m t.csv"


@pytest.mark.parametrize("kind", [AdaptArgs, FitArgs, EvaluateArgs, CompareArgs, DemoArgs])
def test_every_option_that_changes_a_result_is_said_and_no_other(kind: type[Any]) -> None:
    for option in options_of(kind):
        other: Any = "some value"
        if isinstance(option.default, bool | tuple):
            other = True if option.default is False else ["a b", "c"]
        values = as_mapping(kind()) | {option.name: other}
        flag = f"--{option.name.replace('_', '-')}"
        expected = [flag, "a b", flag, "c"] if isinstance(other, list) else [flag, "some value"]
        expected = [flag] if other is True else expected
        words = shlex.split(command_line("x", kind, values, []))
        assert words[2:] == ([] if option.metadata["harmless"] else expected)


def test_what_has_no_flag_is_a_file_of_toml() -> None:
    args = make(CompareArgs, adapt={"epochs": 0.5, "masking": "word", "learning_rate": 1e-5})
    words = said("compare", args, "r.csv")
    assert words[-4:] == ["--config", config_file("compare"), "--out", "out"]
    tables = tomllib.loads(tables_in_toml(CompareArgs, as_mapping(args)))
    assert make(CompareArgs, **tables) == args
    assert tables_in_toml(CompareArgs, as_mapping(CompareArgs())) == ""
    assert "--config" not in said("compare", CompareArgs())


def test_options_that_are_no_more_are_not_said() -> None:
    assert command_line("fit", FitArgs, {"focal_gamma": 3.0}, ["r.csv"]) == "steep fit r.csv"


def test_files_are_known_by_their_type() -> None:
    args = make(CompareArgs, valid="v.csv", unlabelled=["a.txt", "b.txt"], model="x")
    assert files_in_options(CompareArgs, as_mapping(args)) == {"v.csv", "a.txt", "b.txt"}
