"""Are options declared once, composed, turned into values and back, or refused with a message?"""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from scripts.make_stub import COMMANDS
from steep.args import CompareArgs, FitArgs
from steep.args.training import LossArgs, Schedule
from steep.errors import SteepError
from steep.options import (
    Option,
    as_mapping,
    change,
    from_mapping,
    identity_of,
    make,
    options_of,
    tables_of,
)
from steep.toml_files import read_toml

ABSURD = (float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 10**20, -(10**20), 10**400)
KINDS = [kind for _, kind in COMMANDS if kind is not None]
WHOLE_OR_PARTS = {"epochs"}  # whole passes over rows in fit, any share of the text in adapt
ONE_EACH = {"text", "label", "group"}  # of multitask: once for every table


def numbers_of(kind: type) -> list[Option]:
    """The options of a command that are numbers, or several."""
    return [o for o in options_of(kind) if {int, float} & {o.hint, *get_args(o.hint)}]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("epochs", 4, 4),
        ("layer_decay", 1, 1.0),
        ("learning_rate", 2e-5, 2e-5),
        ("overwrite", True, True),
        ("valid", "v.csv", Path("v.csv")),
        ("valid", None, None),
        ("label", "a,b", "a,b"),
        ("model", Path("folder"), "folder"),
        ("metric", None, None),
        ("schedule", "linear", "linear"),
        ("unlabelled", ["a.txt", "b.txt"], (Path("a.txt"), Path("b.txt"))),
        ("unlabelled", "a.txt", (Path("a.txt"),)),
    ],
)
def test_a_value_becomes_what_the_field_says(name: str, given: Any, expected: Any) -> None:
    args = from_mapping(CompareArgs, {name: given}, "x.toml")
    path = next(option.path for option in options_of(CompareArgs) if option.name == name)
    value: Any = args
    for step in path:
        value = vars(value)[step]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("epochs", 1.5, "must be a whole number, not 1.5"),
        ("epochs", True, "must be a whole number, not True"),
        ("max_length", None, "must be a whole number, not None"),
        ("layer_decay", "1", "must be a number, not '1'"),
        ("layer_decay", True, "must be a number, not True"),
        ("overwrite", 1, "must be true or false, not 1"),
        ("label", 3, "must be text, not 3"),
        ("text", "", "must not be empty. Leave it out, or give it a value"),
        ("unlabelled", ["a.txt", ""], "must not be empty. Leave it out, or give it a value"),
        ("valid", 3, "must be a path, not 3"),
        ("schedule", "fast", f"must be one of {', '.join(get_args(Schedule))}, not 'fast'"),
        ("unlabelled", ["a.txt", 3], "must be a path, not 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name: str, given: Any, told: str) -> None:
    with pytest.raises(SteepError) as refused:
        from_mapping(CompareArgs, {name: given}, "x.toml")
    assert str(refused.value) == f"x.toml: option '{name}' {told}."


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_number_may_be_nan_or_infinite_or_absurd(kind: type) -> None:
    for option in numbers_of(kind):
        several = get_origin(option.hint) is tuple
        for value in ABSURD:
            if isinstance(value, float) and float not in (option.hint, *get_args(option.hint)):
                continue
            with pytest.raises(SteepError, match=f"'{option.name}'") as refused:
                make(kind, **{option.name: [1, value] if several else value})
            assert len(str(refused.value)) < 200


BEYOND = [
    ("epochs", 10**7, "must be at most 1,000,000, not 10,000,000"),
    ("epochs", 10**5000, "must be at most 1,000,000, not a number of some 5,000 digits"),
    ("learning_rate", 10**400, "and 1,000,000,000, not a number of some 400 digits"),
    ("learning_rate", 11, "must be at most 10, not 11"),
    ("label", 10**5000, "must be text, not a number of some 5,000 digits"),
    ("label", [10**5000], "must be text, not a list"),
    ("seed", 2**64, "must be at most 18,446,744,073,709,551,615, not a number of some 20 digits"),
    ("max_length", 10**12, "must be at most 1,000,000,000, not 1,000,000,000,000"),
]


@pytest.mark.parametrize("given", BEYOND, ids=lambda given: given[2])
def test_a_number_beyond_its_bounds_is_told(given: tuple[str, Any, str]) -> None:
    name, value, told = given
    with pytest.raises(SteepError) as refused:
        make(FitArgs, **{name: value})
    assert told in str(refused.value)


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(SteepError, match="no option 'learning_rat'. Did you mean 'learning_rate'"):
        from_mapping(FitArgs, {"learning_rat": 1.0}, "x.toml")
    with pytest.raises(SteepError, match="no option 'zzz'.$"):
        from_mapping(FitArgs, {"zzz": 1}, "x.toml")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_option_of_a_command_is_declared_once_with_a_sentence_of_help(kind: type) -> None:
    options = options_of(kind)
    names = [option.name for option in options]
    assert len(names) == len({*names})
    for option in options:
        assert option.metadata["help"].endswith("."), option.name
        assert option.heading, option.name
    defaults = {option.name: option.default for option in options}
    assert from_mapping(kind, defaults, "defaults") == kind()


def test_an_option_is_declared_once_for_all_commands() -> None:
    said: dict[str, set[str]] = {}
    for kind in KINDS:
        for option in options_of(kind):
            said.setdefault(option.name, set()).add(str(option.metadata))
    several = {name for name, declared in said.items() if len(declared) > 1}
    assert several <= WHOLE_OR_PARTS | ONE_EACH


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_options_survive_the_way_to_json_and_back(kind: type) -> None:
    assert from_mapping(kind, as_mapping(kind()), "steep.json") == kind()


def test_given_options_survive_it_too() -> None:
    given = {"unlabelled": ("a.txt",), "valid": "v.csv", "epochs": 2, "adapt": {"epochs": 0.5}}
    args = from_mapping(CompareArgs, given, "x")
    assert from_mapping(CompareArgs, as_mapping(args), "steep.json") == args
    assert as_mapping(args)["adapt"]["epochs"] == 0.5


def test_what_changes_no_result_is_no_part_of_the_identity() -> None:
    same = change(FitArgs(), {"save_every": 1.0, "overwrite": True})
    assert identity_of(same) == identity_of(FitArgs())
    assert identity_of(change(FitArgs(), {"seed": 1})) != identity_of(FitArgs())


def test_a_table_of_its_own_is_checked_like_the_rest() -> None:
    assert [*tables_of(CompareArgs)] == ["adapt"]
    assert make(CompareArgs, adapt={"mlm-probability": 0.2}).adapt.objective.mlm_probability == 0.2
    with pytest.raises(
        SteepError, match="adapt: there is no option 'epoch'. Did you mean 'epochs'"
    ):
        make(CompareArgs, adapt={"epoch": 1})
    with pytest.raises(SteepError, match="adapt must be a table of options"):
        make(CompareArgs, adapt=3)


def test_parts_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        LossArgs().loss = "focal"  # type: ignore[misc]


def test_toml_allows_dashes_and_refuses_options_outside_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[fit]\nbatch-size = 8\n[lr-find]\nepochs = 2\n")
    assert read_toml(path) == {"fit": {"batch_size": 8}, "lr_find": {"epochs": 2}}
    path.write_text("epochs = 3\n[fit]\nbatch-size = 8\n")
    with pytest.raises(SteepError, match="'epochs' is outside of any table"):
        read_toml(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe[fit]", "not valid TOML"),
        (b"[fit]\nx = " + b"[" * 100_000, "not valid TOML"),
        (b"[fit]\nx = " + b"9" * 10_000, "not valid TOML"),
        (b"[[fit]]\nepochs = 3", r"\[\[fit\]\] is a list of tables"),
        (b"fit = [1]", "'fit' is outside of any table"),
        (b"[fit]\nmax-length = 8\nmax_length = 9", r"\[fit\]: 'max_length' is there twice"),
        (b"[lr-find]\n[lr_find]", "'lr_find' is there twice"),
    ],
)
def test_toml_that_is_none_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(SteepError, match=told) as refused:
        read_toml(path)
    assert str(refused.value).startswith(f"{path}: ") and len(str(refused.value)) < 500


def test_toml_as_an_editor_on_windows_saves_it(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbf[fit]\r\nepochs = 3\r\n")
    assert read_toml(path) == {"fit": {"epochs": 3}}
