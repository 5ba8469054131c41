"""Does the command that a report prints lead to the same arguments?"""

import shlex
from pathlib import Path

from steep import config
from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs
from steep.reports.reproduce import command


def manifest(args: object, *files: str) -> dict:
    return {"args": config.as_mapping(args), "data": {"files": [{"name": name} for name in files]}}


def test_only_what_differs_from_the_defaults_is_said() -> None:
    args = FitArgs(label="kind of thing", model="m", epochs=4, overwrite=True)
    line = command("fit", manifest(args, "a b.csv"), "model/")
    assert line == "steep fit 'a b.csv' --label 'kind of thing' --epochs 4 --model m --out model/"


def test_files_of_options_are_not_repeated() -> None:
    files = (Path("in/more.txt"), Path("in/other.txt"))
    args = CompareArgs(valid=Path("in/valid.csv"), unlabelled=files)
    line = command("compare", manifest(args, "train.csv", "valid.csv"), "study/")
    words = shlex.split(line)
    assert words[:3] == ["steep", "compare", "train.csv"]
    assert words.count("--unlabelled") == 2 and "valid.csv" not in words
    assert words[words.index("--valid") + 1] == "in/valid.csv"


def test_adapt_names_every_text_once() -> None:
    found = manifest(AdaptArgs(transductive=True), "reviews.csv")
    line = command("adapt", found, "a/", sources=["data/reviews.csv", "data/more.txt"])
    assert line == "steep adapt reviews.csv data/more.txt --transductive --out a/"


def test_evaluate_names_the_model_first() -> None:
    args = EvaluateArgs(out=Path("elsewhere"))
    line = command("evaluate", manifest(args, "test.csv"), "found/", model="model")
    assert line == "steep evaluate model test.csv --out found/"
