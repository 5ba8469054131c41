"""Are folders of the version before understood: every option by its name of today?"""

from typing import Any

from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs
from steep.args.kept import NEW_NAMES, OF_STAGE, renamed
from steep.options import options_of, tables_of
from steep.runs import FORMAT
from steep.shelf.explain import ExplainArgs


def args(stage: str, **old: Any) -> dict[str, Any]:
    return renamed({"stage": stage, "args": old})["args"]


def test_new_names_are_options_and_old_ones_are_none() -> None:
    kinds = {"adapt": AdaptArgs, "fit": FitArgs, "evaluate": EvaluateArgs, "compare": CompareArgs}
    kinds |= {"explain": ExplainArgs}
    known = {stage: {o.name for o in options_of(kind)} for stage, kind in kinds.items()}
    every = set().union(*known.values())
    assert set(NEW_NAMES.values()) <= every
    assert not set(NEW_NAMES) & every
    for stage, names in OF_STAGE.items():
        assert set(names.values()) <= known[stage]
        assert not set(names) & known[stage]


def test_names_are_those_of_the_stage() -> None:
    assert args("adapt", steps=9, keep="probe") == {"max_steps": 9, "best_by": "probe"}
    assert args("explain", steps=20) == {"n_steps": 20}
    assert args("fit", label_budget=5) == {"label_budget": 5}
    assert args("compare", label_budget=[5, 9]) == {"label_budgets": [5, 9]}


def test_an_encoder_is_the_model_and_the_model_its_base() -> None:
    assert args("fit", model="bert", encoder="adapted") == {"model": "adapted", "base": "bert"}
    assert args("fit", model=None, encoder="adapted") == {"model": "adapted", "base": None}
    assert args("fit", model="bert", encoder=None) == {"model": "bert"}


def test_step_2_of_a_study_is_a_table() -> None:
    old = {"adapt_epochs": 5.0, "adapt_max_length": 64, "adapt_per_seed": True}
    found = args("compare", **old)
    assert found == {"step2_per_seed": True, "adapt": {"epochs": 5.0, "max_length": 64}}
    assert set(found["adapt"]) <= {o.name for o in options_of(tables_of(CompareArgs)["adapt"])}
    assert args("compare", adapt_epochs=1.0)["adapt"] == {"epochs": None}


def test_a_folder_of_this_version_is_left_as_it_is() -> None:
    made = {"stage": "fit", "format": FORMAT, "args": {"model": "bert", "windows": 3}}
    assert renamed(made) == made
    assert renamed({"stage": "fit", "args": None}) == {"stage": "fit", "args": None}
