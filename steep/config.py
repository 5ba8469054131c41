"""How are options declared, checked, read and written? The options are in `steep.args`."""

import dataclasses
import difflib
import tomllib
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from steep.errors import SteepError


def option(
    default: Any, sentence: str, least: float | None = None, most: float | None = None
) -> Any:
    """A field with its default, its sentence of help, and the least and most it may be."""
    return field(default=default, metadata={"help": sentence, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all option classes share: numbers out of their bounds are refused."""

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value, least, most = self.__dict__[f.name], f.metadata["least"], f.metadata["most"]
            low = value is not None and least is not None and value < least
            high = value is not None and most is not None and value > most
            if low or high:
                bounds = f"at least {least:g}" if most is None else f"{least:g} to {most:g}"
                raise SteepError(f"option '{f.name}' must be {bounds}, not {value:g}.")


Args = TypeVar("Args")


def from_mapping(kind: type[Args], values: dict[str, Any], source: str) -> Args:
    """`kind` made from option names and values; `source` is named in errors.

    Raises SteepError on an unknown option (with the nearest known one) or a value of the wrong
    type.
    """
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise SteepError(f"{source}: there is no option '{name}'.{hint}")
    converted = {n: _convert(hints[n], v, f"{source}: option '{n}'") for n, v in values.items()}
    missing = [n for n, f in known.items() if f.default is MISSING and n not in converted]
    if missing:
        raise SteepError(f"{source}: option '{missing[0]}' is needed.")
    return kind(**converted)


def read_toml(path: Path, section: str) -> dict[str, Any]:
    """The options for command `section` in a TOML file: its table `[section]`, dashes allowed."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SteepError(f"{path}: there is no such file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SteepError(f"{path}: not valid TOML: {error}.") from None
    values = content.get(section, {})
    if not isinstance(values, dict):
        raise SteepError(f"{path}: '{section}' must be a table, written [{section}].")
    return {name.replace("-", "_"): value for name, value in values.items()}


def part(args: Any, kind: type[Args], without: tuple[str, ...] = ()) -> Args:
    """The options of `kind` that `args` has, too; those named in `without` keep their defaults."""
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    given = {f.name: f for f in dataclasses.fields(args) if f.name in names - {*without}}
    return kind(**{name: args.__dict__[name] for name in given})


def as_mapping(args: Any) -> dict[str, Any]:
    """The options as plain JSON values, for the run folder."""
    return {name: _plain(value) for name, value in dataclasses.asdict(args).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or a SteepError that says what was expected."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise SteepError(f"{where} must be one of {choices}, not {value!r}.")
        return value
    if get_origin(hint) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(get_args(hint)[0], item, where) for item in items)
    kinds = get_args(hint) or (hint,)
    if value is None and type(None) in kinds:
        return None
    plain = next(kind for kind in kinds if kind is not type(None))
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if plain is Path and isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise SteepError(f"{where} must be {_NAMES[plain]}, not {value!r}.")
    return value


_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}
