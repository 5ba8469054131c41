"""What does a TOML file hold? Tables of options, whose names may be written with dashes."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steep.errors import SteepError, unreadable
from steep.options import underscored
from steep.wording import brief, quoted, twice


def read_toml(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a TOML file, with underscores for the dashes in names.

    Raises SteepError if it cannot be read, or has options outside of a table.
    """
    content = toml_content(path)
    for name, values in content.items():
        if isinstance(values, list) and values and isinstance(values[0], dict):
            raise SteepError(
                f"{path}: [[{brief(name)}]] is a list of tables; write [{brief(name)}]."
            )
        if not isinstance(values, dict):
            raise SteepError(
                f"{path}: {quoted(name)} is outside of any table. Write it below the name of a "
                "command, for instance [fit]."
            )
    return {n: _named(of, f"{path}: [{n}]") for n, of in _named(content, f"{path}").items()}


def toml_content(path: Path) -> dict[str, Any]:
    """What a TOML file holds, as it is; SteepError if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SteepError(unreadable(path, error)) from None
    except (ValueError, RecursionError) as error:  # ValueError also of numbers without an end
        raise SteepError(f"{path}: not valid TOML: {brief(str(error), 200)}.") from None


def _named(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """With underscores for the dashes in names; SteepError where two names are then one."""
    names = [underscored(name) for name in values]
    if (name := twice(names)) is not None:
        raise SteepError(f"{source}: {quoted(name)} is there twice, with dashes and underscores.")
    return dict(zip(names, values.values(), strict=True))
