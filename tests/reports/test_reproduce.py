"""Does the command that a report prints lead to the same options, and name every file once?"""

import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from steep.args import AdaptArgs, CompareArgs, DemoArgs, EvaluateArgs, FitArgs, PredictArgs
from steep.options import as_mapping, files_in_options, make, options_of
from steep.reports.reproduce import (
    command_line,
    commands_again,
    config_file,
    tables_in_toml,
)


def manifest(stage: str, args: Any, *files: str) -> dict[str, Any]:
    data = {"files": [{"name": name} for name in files]}
    return {"stage": stage, "args": as_mapping(args), "data": data}


def test_files_of_options_are_not_repeated() -> None:
    args = make(CompareArgs, valid="in/valid.csv", unlabelled=["in/more.txt", "in/other.txt"])
    found = manifest("compare", args, "train.csv", "valid.csv", "more.txt")
    (line,) = commands_again(found, CompareArgs, "study/")
    words = shlex.split(line.line)
    assert words[:4] == ["steep", "compare", "train.csv", "--valid"]
    assert words.count("--unlabelled") == 2 and not {"valid.csv", "more.txt"} & {*words}
    assert words[words.index("--valid") + 1] == "in/valid.csv"


def test_adapt_names_every_text_once() -> None:
    found = manifest("adapt", make(AdaptArgs, transductive=True), "reviews.csv")
    sources = ["data/reviews.csv", "data/more.txt"]
    (line,) = commands_again(found, AdaptArgs, "a/", sources=sources)
    assert line.line == "steep adapt reviews.csv data/more.txt --transductive --out a/"


def test_evaluate_names_the_model_first() -> None:
    found = manifest("evaluate", EvaluateArgs(), "test.csv")
    (line,) = commands_again(found, EvaluateArgs, "found/", model="model")
    assert line.line == "steep evaluate model test.csv --out found/"


def test_the_file_that_the_command_reads_is_shown_before_it() -> None:
    found = manifest("compare", make(CompareArgs, adapt={"epochs": 5.0}), "train.csv")
    table, line = commands_again(found, CompareArgs, "study/")
    assert table.language == "toml"
    assert table.line == "# compare.toml\n[adapt]\nepochs = 5.0"
    assert line.line == "steep compare train.csv --config compare.toml --out study/"


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
    found = files_in_options(CompareArgs, as_mapping(args))
    assert sorted(found) == ["a.txt", "b.txt", "v.csv"]
