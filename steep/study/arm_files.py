"""Which arm is a recipe, or a TOML file of the user's own? Base or adapted, with other options."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from steep.args import CompareArgs, PretrainArgs, TuneArgs
from steep.args.recipes import OWN_FILE, recipe, recipe_names
from steep.errors import SteepError
from steep.options import as_mapping, from_mapping, nearest, options_of, read_toml
from steep.study.arms import Arm, check_learner, fine_tune, pretrain_further

TABLES = {"fit": TuneArgs, "adapt": PretrainArgs}
FROZEN = "features"  # the recipe that is a rival of step 2: the encoder as it is, and a linear head


def is_arm_file(name: str) -> bool:
    """Whether `name` is that of a recipe, or of a TOML file."""
    return name in recipe_names() or name.endswith(OWN_FILE)


def arm_of_file(name: str) -> Arm:
    """The arm of a recipe (its name), or of a TOML file with a table [adapt], [fit], or both.

    With [fit], it is fine-tuned with these options instead of the study's. With [adapt], it starts
    from a step 2 with these options instead of the study's; a table without any means that of the
    arm adapted. Raises SteepError where a table is missing, or holds anything else.
    """
    tables = {"fit": recipe(name)} if name in recipe_names() else _tables(Path(name))
    tables.get("fit", {}).pop("recipe", None)
    arm = Arm(
        name=Path(name).stem,
        about="",
        fit=fine_tune,
        check=check_learner,
        pretrain=pretrain_further if "adapt" in tables else None,
        fit_options=tables.get("fit", {}),
        adapt_options=tables.get("adapt", {}),
        rival=name == FROZEN or "adapt" in tables,
    )
    return replace(arm, about=_about(arm))


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of an arm's file, with the values as the options have them."""
    tables = read_toml(path)
    if not any(tables.values()):
        raise SteepError(f"{path}: an arm is a table [adapt] or [fit] of options, or both.")
    for name, values in tables.items():
        if name not in TABLES:
            raise SteepError(
                f"{path}: an arm is made of the tables [adapt] and [fit], not of [{name}]."
                f"{nearest(name, TABLES)}"
            )
        _refuse_shared(path, name, values)
    return {n: _converted(TABLES[n], values, f"{path}: [{n}]") for n, values in tables.items()}


def _refuse_shared(path: Path, table: str, values: dict[str, Any]) -> None:
    """Raises SteepError at an option that belongs to the study."""
    own = {option.name for kind in TABLES.values() for option in options_of(kind)}
    shared = {option.name for option in options_of(CompareArgs)} - own
    if found := sorted(shared & values.keys()):
        raise SteepError(
            f"{path}: [{table}]: option '{found[0]}' is the same for all arms of a study; give it "
            "to the study instead."
        )


def _converted(kind: type[TuneArgs | PretrainArgs], values: dict[str, Any], source: str) -> Any:
    made = as_mapping(from_mapping(kind, values, source))
    return {name: made[name] for name in values}


def _about(arm: Arm) -> str:
    fitted = _said(arm.fit_options)
    if arm.pretrain is None:
        return f"base with {fitted}"
    step2 = f"step 2 with {_said(arm.adapt_options)}" if arm.adapt_options else "adapted"
    return f"{step2}, fine-tuned with {fitted}" if fitted else step2


def _said(options: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())
