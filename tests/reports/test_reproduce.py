"""Does the command that a report prints name every file once, and in the right place?"""

import shlex
from typing import Any

from steep.args import AdaptArgs, CompareArgs, EvaluateArgs
from steep.options import as_mapping, make
from steep.reports.reproduce import commands_again


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
