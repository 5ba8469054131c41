"""What has to be typed to run this again? The command line, from the arguments that were kept."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, ExplainArgs, FitArgs

ARGS = {
    "adapt": AdaptArgs,
    "fit": FitArgs,
    "evaluate": EvaluateArgs,
    "explain": ExplainArgs,
    "compare": CompareArgs,
}
UNSAID = ("out", "overwrite", "recipe")  # a recipe's values are said one by one
FILES = ("valid", "test", "unlabelled")  # options that name files: not repeated as inputs


def command(
    stage: str,
    manifest: dict[str, Any],
    out: str,
    model: str | None = None,
    sources: Sequence[str] = (),
) -> str:
    """The shell command of a run: its files, and every option that differs from its default.

    `sources` are files beyond those with labels; `model` is the folder that was evaluated.
    """
    args = manifest["args"]
    defaults = {f.name: f.default for f in dataclasses.fields(ARGS[stage])}
    words = ["steep", stage, *([model] if model else []), *_inputs(manifest, sources)]
    for name, value in args.items():
        if name in defaults and name not in UNSAID and value != defaults[name]:
            words += _option(name, value)
    return shlex.join([*words, "--out", out])


def _inputs(manifest: dict[str, Any], sources: Sequence[str]) -> list[str]:
    """The files that are no option, each once, whether written with its folder or without."""
    named: set[str] = set()
    for option in FILES:
        value = manifest["args"].get(option) or []
        named |= {Path(path).name for path in ([value] if isinstance(value, str) else value)}
    files = [file["name"] for file in manifest.get("data", {}).get("files", [])]
    inputs: dict[str, str] = {}
    for name in (*files, *sources):
        inputs.setdefault(Path(name).name, name)
    return [name for short, name in inputs.items() if short not in named]


def _option(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag] if value else []
    if isinstance(value, list):
        return [word for item in value for word in (flag, str(item))]
    return [flag, str(value)]
