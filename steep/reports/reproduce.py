"""What has to be typed to run this again? A command, and its TOML file, from options and files."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steep.options import as_mapping, files_in_options, options_of, tables_of
from steep.reports.blocks import Command

Manifest = dict[str, Any]
Values = Mapping[str, Any]


def commands_again(
    manifest: Manifest,
    kind: type[Any],
    out: str,
    model: str | None = None,
    sources: Sequence[str] = (),
) -> list[Command]:
    """The shell command of a run, after the file that its --config names, if it needs one.

    `kind` is the composition of its options, `model` the folder that was evaluated; `sources` are
    files beyond those with labels.
    """
    stage, args = str(manifest.get("command", manifest["stage"])), manifest["args"]
    inputs = [*([model] if model else []), *_inputs(manifest, kind, sources)]
    line = Command(command_line(stage, kind, args, inputs, out))
    tables = tables_in_toml(kind, args)
    if not tables:
        return [line]
    return [Command(f"# {config_file(stage)}\n{tables}", "toml"), line]


def _inputs(manifest: Manifest, kind: type[Any], sources: Sequence[str]) -> list[str]:
    """The files that no option names, each once, whether written with its folder or without."""
    named = {Path(path).name for path in files_in_options(kind, manifest["args"])}
    files = [file["name"] for file in manifest.get("data", {}).get("files", [])]
    inputs: dict[str, str] = {}
    for name in (*files, *sources):
        inputs.setdefault(Path(name).name, name)
    return [name for short, name in inputs.items() if short not in named]


def command_line(
    stage: str,
    kind: type[Any],
    values: Values,
    inputs: Sequence[str | Path],
    out: str | Path | None = None,
) -> str:
    """The shell command of `stage`, a `kind` of options: every one that differs from its default.

    `values` are those of `as_mapping`, `inputs` the files and folders that the command is given.
    Options that change no result are not said again. What `tables_in_toml` gives has to be in a
    file of the name `config_file(stage)`.
    """
    words = ["steep", *stage.split(), *map(str, inputs)]
    usual = as_mapping(kind())
    for option in options_of(kind):
        value = values.get(option.name, usual[option.name])
        if value != usual[option.name] and not option.metadata["harmless"]:
            words += _flag(option.name, value)
    if tables_in_toml(kind, values):
        words += ["--config", config_file(stage)]
    return shlex.join([*words, *(["--out", str(out)] if out is not None else [])])


def tables_in_toml(kind: type[Any], values: Values) -> str:
    """The options that are no flags but TOML tables (as a study's step 2), where they differ."""
    lines: list[str] = []
    usual_of = as_mapping(kind())
    for name in tables_of(kind):
        usual = usual_of[name]
        given = {k: v for k, v in values.get(name, {}).items() if v != usual.get(k, v)}
        said = [
            f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in given.items() if v is not None
        ]
        lines += [f"[{name}]", *said] if said else []
    return "\n".join(lines)


def config_file(stage: str) -> str:
    """What `command_line` calls the file of the tables."""
    return f"{'-'.join(stage.split())}.toml"


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is None or value is False:  # no flag unsets an option
        return []
    if value is True:
        return [flag]
    values = value if isinstance(value, list) else [value]
    return [word for item in values for word in (flag, str(item))]
