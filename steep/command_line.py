"""Which command does the same again? The command line of a stage, from its options and files."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from steep.options import as_mapping, options_of, tables_of

Values = Mapping[str, Any]


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
    words = ["steep", stage, *map(str, inputs)]
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
    return f"{stage}.toml"


def files_in_options(kind: type[Any], values: Values) -> set[str]:
    """The paths that options name, by their type."""
    found: set[str] = set()
    for option in options_of(kind):
        value = values.get(option.name)
        if value and Path in (option.hint, *get_args(option.hint)):
            found |= {value} if isinstance(value, str) else set(value)
    return found


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is None or value is False:  # no flag unsets an option
        return []
    if value is True:
        return [flag]
    values = value if isinstance(value, list) else [value]
    return [word for item in values for word in (flag, str(item))]
