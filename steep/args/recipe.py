"""Which recipes are there, and what of a run came from one? Options of step 3 under a name."""

import difflib
from pathlib import Path
from typing import Any

from steep.args.fit import TuneArgs
from steep.config import from_mapping, read_toml
from steep.errors import SteepError

FOLDER = Path(__file__).parents[1] / "recipes"
OWN_FILE = ".toml"  # what the name of a recipe of the user's own ends with


def recipe(name: str) -> dict[str, Any]:
    """The options of a recipe, with its name: `FitArgs(**(recipe("ulmfit") | {"epochs": 4}))`.

    `name` is one of `names()`, or the path of a TOML file with a table `[fit]`. Raises SteepError
    where there is no such recipe, or it holds what is no option.
    """
    path = Path(name) if name.endswith(OWN_FILE) else FOLDER / f"{name}.toml"
    if path.parent == FOLDER and not path.is_file():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "Or name a TOML file of your own."
        raise SteepError(f"there is no recipe '{name}'; there are {', '.join(names())}. {hint}")
    values = read_toml(path, "fit")
    if not values or "recipe" in values:
        raise SteepError(f"{path}: a recipe is a table [fit] of options, without another recipe.")
    from_mapping(TuneArgs, values, f"{path}: [fit]")
    return values | {"recipe": name}


def names() -> list[str]:
    """The recipes that come along."""
    return sorted(path.stem for path in FOLDER.glob(f"*{OWN_FILE}"))


def told(args: TuneArgs) -> list[str]:
    """What of a run came from its recipe, and what was given instead; nothing without a recipe."""
    if args.recipe is None:
        return []
    values = {n: v for n, v in recipe(args.recipe).items() if n != "recipe"}
    given = {name: args.__dict__[name] for name in values}
    taken = [f"{name} {value}" for name, value in values.items() if given[name] == value]
    other = [f"{n} {given[n]} (not {v})" for n, v in values.items() if given[n] != v]
    return [
        f"recipe {args.recipe}: {', '.join(taken) or 'none of its values'}"
        + (f"; given instead: {', '.join(other)}" if other else "")
    ]
