"""Which recipes are there, and what of a run came from one? Options of step 3 under a name."""

from pathlib import Path
from typing import Any

from steep.args.training import RecipeArgs, TuneArgs
from steep.errors import SteepError
from steep.options import as_mapping, from_mapping, nearest, read_toml

FOLDER = Path(__file__).parents[1] / "recipes"
OWN_FILE = ".toml"  # the ending of a recipe of the user's own


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
