"""Ablations: the tables of three papers as studies of your own rows, beside the papers' figures.

A feature that the core does not know: the files of steep/ablations say which arms a paper's table
has; `beneath` and `arms` give them to a study, `paper_section` puts the figures beside its own. It
needs no file of train/, but `steep select` and `steep multitask`, which stand on the shelf, too.
"""

from typing import TYPE_CHECKING, Any

from steep.errors import SteepError
from steep.openings import CompareCommand

if TYPE_CHECKING:
    from steep.study.arms import Arm


def beneath(values: dict[str, Any]) -> dict[str, Any]:
    """The options that an ablation sets, where `values`, those that were given, name one."""
    if (name := values.get("ablation")) is None:
        return {}
    from steep.shelf.ablation.tables import read_ablation

    found = read_ablation(name)
    return found.options | {"arms": ",".join(found.rows_with(values))}


def arms(args: CompareCommand) -> "list[Arm]":
    """The arms of the ablation beside those of the core; SteepError where texts go to none."""
    if args.ablation.ablation is None:
        for name in ("pile", "curated", "tables"):
            if args.ablation.__dict__[name]:
                raise SteepError(
                    f"option '{name}' is for an --ablation; name one, or leave it out."
                )
        return []
    from steep.shelf.ablation.ablation_arms import ablation_arms

    return ablation_arms(args)
