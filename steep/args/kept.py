"""Which options did a run have, by its manifest? Those that this version still knows, as a part."""

from collections.abc import Mapping
from typing import Any, TypeVar

from steep.errors import SteepError
from steep.options import from_mapping, options_of, tables_of

Args = TypeVar("Args")


def kept_options(kind: type[Args], args: Mapping[str, Any], source: str) -> Args:
    """The options of `kind` among the `args` of a manifest, which `source` names.

    What another version knows, and this one does not, is left out; what the run lacks has its
    default. Raises SteepError at a value that is none of the option's.
    """
    try:
        return from_mapping(kind, _known(kind, args), "args")
    except SteepError as error:
        raise SteepError(
            f"{source}: {error} Put it right, or run the command again that wrote it."
        ) from None


def _known(kind: type[Any], args: Mapping[str, Any]) -> dict[str, Any]:
    tables = tables_of(kind)
    names = {option.name for option in options_of(kind)} | tables.keys()
    found = {name: value for name, value in args.items() if name in names}
    for name in tables.keys() & found.keys():
        if isinstance(found[name], dict):
            found[name] = _known(tables[name], found[name])
    return found
