"""Whose word wins? What was given, then the TOML file, then the recipe, then the defaults."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from steep.args import DataArgs
from steep.args.training import DecisionArgs, FewArgs, RecipeArgs, TuneArgs
from steep.console import say
from steep.errors import SteepError
from steep.options import (
    as_mapping,
    change,
    from_mapping,
    nearest,
    options_of,
    tables_of,
)
from steep.wording import brief, quoted

if TYPE_CHECKING:
    from steep.data.corpus import Data

Args = TypeVar("Args")
UNUSED = {option.name for part in (FewArgs, DecisionArgs) for option in options_of(part)}
"""Options of [fit] that a study has in another form, or not at all: said, and left out."""
COMMANDS = (
    *(
        "check",
        "adapt",
        "fit",
        "predict",
        "evaluate",
        "compare",
        "report",
        "demo",
        "explain",
    ),
    *("auto", "bias", "export", "lr_find", "multitask", "select", "self_train", "share", "read"),
    "cache",
    *(f"summarize_{name}" for name in ("fit", "predict", "evaluate", "compare")),
)
"""What a table of a TOML file can be named after, with underscores."""
FOLDER = Path(__file__).parents[1] / "recipes"
OWN_FILE = ".toml"  # the ending of a recipe of the user's own
INPUTS = ("file", "files", "folder", "model", "models", "out", "pile", "piles")
"""What a table may name beside options, where it is none."""


def options_for(
    kind: type[Args],
    command: str,
    given: dict[str, Any],
    source: Any = None,
    beneath: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> Args:
    """The options of a command: `given` ones, then those of `config` and of `recipe`.

    `beneath` gives, for these two, values of options that they win over; it may name the recipe.

    Where `source` is data that was read already, its columns and splits are used, and what is given
    must not contradict them. Raises SteepError for what is no option, or a contradiction.
    """
    values = dict(given)
    config = values.pop("config", None)
    values = _merged(_from_toml(kind, command, Path(config)) if config else {}, values)
    if beneath is not None:
        values = _merged(beneath(values), values)
    if name := values.get("recipe"):
        values = recipe(name) | values
    args = from_mapping(kind, values, command)
    if is_data(source):
        return _as_read(args, source, values)
    return args


def is_data(source: Any) -> bool:
    """Whether `source` was read already; without importing what reads it."""
    return type(source).__module__ == "steep.data.corpus"


def _merged(lower: dict[str, Any], higher: dict[str, Any]) -> dict[str, Any]:
    """Both, where `higher` wins; tables within are merged, too."""
    tables = {
        name: lower[name] | value
        for name, value in higher.items()
        if isinstance(value, dict) and isinstance(lower.get(name), dict)
    }
    return lower | higher | tables


def _from_toml(kind: type[Any], command: str, path: Path) -> dict[str, Any]:
    """What a TOML file says for a command.

    A command with tables of its own, as compare has [adapt], reads them, and [fit], too: options
    that it shares with these commands, such as the columns, may stand in any of them.
    """
    from steep.toml_files import read_toml  # only where there is a file

    content, tables = read_toml(path), tables_of(kind)
    _check_tables(path, content, {command, *tables, *(("fit",) if tables else ())})
    known = {option.name for option in options_of(kind)}
    found: dict[str, Any] = {}
    for name in (*tables, *(("fit",) if tables else ())):
        values = content.get(name, {})
        own = {option.name for option in options_of(tables[name])} if name in tables else set()
        inner = {n: v for n, v in values.items() if n in own}
        outer = {n: v for n, v in values.items() if n not in own}
        if unused := sorted(outer.keys() & UNUSED - known):
            say(f"{path}: [{name}]: 'steep {command}' does not use {', '.join(unused)}")
        outer = {n: v for n, v in outer.items() if n not in unused}
        outer = _without_inputs(outer, known, f"{path}: [{name}]", command)
        found |= outer | ({name: inner} if inner else {})
    source = f"{path}: [{command}]"
    values = _without_inputs(content.get(command, {}), known | {*tables}, source, command)
    from_mapping(kind, values, source)
    return _merged(found, values)


def _check_tables(path: Path, content: dict[str, Any], read: set[str]) -> None:
    """Raises SteepError at a table that no command reads; says it if this one reads none."""
    for name in content.keys() - {*COMMANDS, *read}:
        raise SteepError(
            f"{path}: there is no command for the table [{brief(name)}].{nearest(name, COMMANDS)} "
            "A table has the name of a command."
        )
    if not content.keys() & read:
        names = " or ".join(f"[{name}]" for name in sorted(read))
        say(f"{path}: has no table {names}, so nothing of it is used")


def _without_inputs(
    values: dict[str, Any], known: set[str], source: str, command: str
) -> dict[str, Any]:
    """The options among `values`; SteepError for what is neither an option nor an input."""
    for name in values.keys() - known - {*INPUTS}:
        hint = nearest(name, known)
        raise SteepError(f"{source}: there is no option {quoted(name)} in 'steep {command}'.{hint}")
    return {name: value for name, value in values.items() if name in known}


def _as_read(args: Args, data: "Data", values: dict[str, Any]) -> Args:
    """`args` with the columns and splits of `data`; SteepError where `values` contradict them."""
    read = as_mapping(DataArgs(table=data.table, split=data.split))
    for name in (name for name in values if name in read):
        if values[name] != read[name] and str(values[name]) != str(read[name]):
            raise SteepError(
                f"{name} {values[name]!r} contradicts the data, which was read with "
                f"{name} {read[name]!r}. Leave it out, or read the data anew."
            )
    names = {option.name for option in options_of(type(args))}
    return change(args, {n: v for n, v in read.items() if n in names})


def recipe(name: str) -> dict[str, Any]:
    """The options of a recipe, with its name, as in `make(FitArgs, **recipe("ulmfit"))`.

    `name` is one of `recipe_names()`, or the path of a TOML file with a table [fit]. Raises
    SteepError where there is no such recipe, or it holds anything but options of step 3.
    """
    path = Path(name) if name.endswith(OWN_FILE) else FOLDER / f"{name}{OWN_FILE}"
    if path.parent == FOLDER and not path.is_file():
        hint = nearest(name, recipe_names()) or " Or name a TOML file of your own."
        raise SteepError(
            f"there is no recipe '{name}'; there are {', '.join(recipe_names())}.{hint}"
        )
    from steep.toml_files import read_toml  # only where there is a file

    values = read_toml(path).get("fit", {})
    if not values or "recipe" in values:
        raise SteepError(f"{path}: a recipe is a table [fit] of options, without another recipe.")
    from_mapping(TuneArgs, values, f"{path}: [fit]")
    return values | {"recipe": name}


def recipe_names() -> list[str]:
    """The recipes that come with Steep."""
    return sorted(path.stem for path in FOLDER.glob(f"*{OWN_FILE}"))


def told(args: RecipeArgs, tune: TuneArgs) -> list[str]:
    """What of a run came from its recipe, and what was given instead; nothing without a recipe."""
    if args.recipe is None:
        return []
    values = {n: v for n, v in recipe(args.recipe).items() if n != "recipe"}
    given = as_mapping(tune)
    taken = [f"{name} {value}" for name, value in values.items() if given[name] == value]
    other = [f"{n} {given[n]} (not {v})" for n, v in values.items() if given[n] != v]
    return [
        f"recipe {args.recipe}: {', '.join(taken) or 'none of its values'}"
        + (f"; given instead: {', '.join(other)}" if other else "")
    ]
