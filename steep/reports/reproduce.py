"""What has to be typed to run this again? From the manifest: a command, and its TOML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steep.command_line import command_line, config_file, files_in_options, tables_in_toml
from steep.reports.blocks import Command

Manifest = dict[str, Any]


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
