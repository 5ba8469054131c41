"""How are options declared, composed, checked, and turned into and out of plain values?

An option is a field of a *part*: a small frozen dataclass of options that mean something together.
What a command takes is a *composition*: a dataclass whose fields are parts, or compositions. Flags,
TOML files and Python keywords are the names of all fields, flat: each occurs once in a command.
"""

import dataclasses
import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from steep.errors import SteepError
from steep.wording import brief, quoted

Args = TypeVar("Args")
Values = Mapping[str, Any]
MOST = 10**9  # of any number whose option names no bound of its own
SEEDS: dict[str, Any] = {"least": -(2**63), "most": 2**64 - 1}  # bounds of every seed


def option(
    default: Any,
    sentence: str,
    *,
    least: float | None = None,
    most: float | None = None,
    common: bool = False,
    harmless: bool = False,
) -> Any:
    """A field of a part, with its default and its sentence of help.

    `least` and `most` bound it, or each of several (-`MOST` and `MOST` where they are not given); a
    `common` option is on the first screen of help; a `harmless` one changes no result, so that runs
    which differ in it are the same run.
    """
    known = {"least": least, "most": most, "common": common, "harmless": harmless}
    return field(default=default, metadata={"help": sentence} | known)


def own_table(default: Any) -> Any:
    """A composition that is no flags, but a TOML table of its own (in Python, a dictionary)."""
    return field(default=default, metadata={"table": True})


@dataclass(frozen=True, kw_only=True)
class Part:
    """What parts share: numbers that are not finite, or out of their bounds, are refused."""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            _check(one.name, self.__dict__[one.name], one.metadata)


@dataclass(frozen=True)
class Option:
    """One option of a command: `path` leads to its field through the composition."""

    name: str
    hint: Any
    default: Any
    metadata: Mapping[str, Any]
    heading: str
    path: tuple[str, ...]


def options_of(kind: Any) -> tuple[Option, ...]:
    """The options of a composition that are flags, in the order of its parts."""
    return _options_of(kind)


@cache
def _options_of(kind: Any) -> tuple[Option, ...]:
    return tuple(_walk(kind(), ()))


def tables_of(kind: Any) -> dict[str, type[Any]]:
    """The compositions within `kind` that are TOML tables of their own, by name."""
    whole = kind()
    return {path[-1]: type(_value(whole, path)) for path in _table_paths(whole, ())}


def from_mapping(kind: type[Args], values: Values, source: str) -> Args:
    """`kind` made from option names and values; `source` is named in errors.

    Raises SteepError on an unknown option (with the nearest known one) or a value of the wrong
    type.
    """
    return change(kind(), values, source)


def make(kind: type[Args], **values: Any) -> Args:
    """`kind` with these options, and the defaults of all others."""
    return from_mapping(kind, values, "options")


def change(args: Args, values: Values, source: str = "options") -> Args:
    """`args` with other values of the options named; SteepError as in `from_mapping`."""
    known = {option.name: option for option in options_of(type(args))}
    tables = {path[-1]: path for path in _table_paths(args, ())}
    tree: dict[str, Any] = {}
    for name, value in values.items():
        if name in tables:
            given = _table(_value(args, tables[name]), value, f"{source}: {name}")
            _plant(tree, tables[name], given)
        elif name in known:
            given = _convert(known[name].hint, value, f"{source}: option '{name}'")
            _plant(tree, known[name].path, given)
        else:
            raise SteepError(f"{source}: there is no option '{name}'.{nearest(name, known)}")
    return _replaced(args, tree)


def as_mapping(args: Any) -> dict[str, Any]:
    """The options as plain JSON values, flat; tables as mappings within."""
    kind = type(args)
    found = {o.name: plain_json(_value(args, o.path)) for o in options_of(kind)}
    return found | {path[-1]: as_mapping(_value(args, path)) for path in _table_paths(args, ())}


def identity_of(args: Any) -> dict[str, Any]:
    """Those of `as_mapping` that change a result."""
    harmless = {o.name for o in options_of(type(args)) if o.metadata["harmless"]}
    return {name: value for name, value in as_mapping(args).items() if name not in harmless}


def files_in_options(kind: type[Any], values: Values) -> list[str]:
    """The paths that options name, by their type; `values` are those of `as_mapping`."""
    found: list[str] = []
    for option in options_of(kind):
        value = values.get(option.name)
        if value and Path in (option.hint, *get_args(option.hint)):
            found += [value] if isinstance(value, str) else value
    return found


def nearest(name: str, known: Any) -> str:
    """' Did you mean 'x'?', or nothing where no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {quoted(near[0])}?" if near else ""


def _walk(part: Any, path: tuple[str, ...]) -> Iterator[Option]:
    hints = get_type_hints(type(part))
    for one in dataclasses.fields(part):
        value, way = part.__dict__[one.name], (*path, one.name)
        if "help" in one.metadata:
            heading = (type(part).__doc__ or "").partition("\n")[0].rstrip(".")
            yield Option(one.name, hints[one.name], value, one.metadata, heading, way)
        elif not one.metadata.get("table"):
            yield from _walk(value, way)


def _table_paths(part: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for one in dataclasses.fields(part):
        if one.metadata.get("table"):
            yield (*path, one.name)
        elif "help" not in one.metadata:
            yield from _table_paths(part.__dict__[one.name], (*path, one.name))


def _plant(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put `value` into the nested dictionaries of `tree`, at `path`."""
    *way, last = path
    for step in way:
        tree = tree.setdefault(step, {})
    tree[last] = value


def _replaced(part: Any, tree: dict[str, Any]) -> Any:
    """`part` with the values of `tree`, which is nested as it is."""
    changes = {
        name: _replaced(part.__dict__[name], value) if isinstance(value, dict) else value
        for name, value in tree.items()
    }
    return dataclasses.replace(part, **changes) if changes else part


def _table(args: Any, value: Any, source: str) -> Any:
    if isinstance(value, type(args)):
        return value
    if not isinstance(value, dict):
        raise SteepError(f"{source} must be a table of options, not {_shown(value)}.")
    return change(args, {underscored(name): v for name, v in value.items()}, source)


def _value(part: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        part = part.__dict__[name]
    return part


def underscored(name: str) -> str:
    """The name of an option as Python has it."""
    return name.replace("-", "_")


def plain_json(value: Any) -> Any:
    """The value of an option as JSON has it: paths as texts, several values as a list."""
    if isinstance(value, Path):
        return str(value)
    return [plain_json(item) for item in value] if isinstance(value, list | tuple) else value


def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    """Raises SteepError if a number, also one of several, is not finite, or out of its bounds."""
    least = -MOST if metadata["least"] is None else metadata["least"]
    most = MOST if metadata["most"] is None else metadata["most"]
    for item in value if isinstance(value, tuple) else (value,):
        if not isinstance(item, int | float) or isinstance(item, bool):
            continue
        if isinstance(item, float) and not math.isfinite(item):
            raise SteepError(f"option '{name}' must be a finite number, not {item}.")
        if not least <= item <= most:
            bound = f"at least {_shown(least)}" if item < least else f"at most {_shown(most)}"
            raise SteepError(f"option '{name}' must be {bound}, not {_shown(item)}.")


def _shown(value: Any) -> str:
    """A value as messages show it; Python itself refuses to write the longest whole numbers."""
    if isinstance(value, list | tuple | dict):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of some {round(value.bit_length() * math.log10(2)):,} digits"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else brief(repr(value))


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or a SteepError that says what was expected."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise SteepError(f"{where} must be one of {choices}, not {_shown(value)}.")
        return value
    if get_origin(hint) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(get_args(hint)[0], item, where) for item in items)
    kinds = get_args(hint) or (hint,)
    if value is None and type(None) in kinds:
        return None
    plain = next(kind for kind in kinds if kind is not type(None))
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > MOST:
            raise SteepError(
                f"{where} must be between -{MOST:,} and {MOST:,}, not {_shown(value)}."
            )
        return float(value)
    if plain in (Path, str) and isinstance(value, str | Path):
        if value == "":  # as from a shell variable that is not set
            raise SteepError(f"{where} must not be empty. Leave it out, or give it a value.")
        return plain(value)
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise SteepError(f"{where} must be {_NAMES[plain]}, not {_shown(value)}.")
    return value


_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}
