"""Are values of a TOML file or of Python turned into options, or refused with a clear message?"""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import pytest

from steep import args as args_of
from steep.args import CompareArgs, FitArgs
from steep.args.fit import Schedule
from steep.config import as_mapping, from_mapping, read_toml
from steep.errors import SteepError


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("epochs", 4, 4),
        ("decay", 1, 1.0),
        ("learning_rate", 2e-5, 2e-5),
        ("overwrite", True, True),
        ("valid", "v.csv", Path("v.csv")),
        ("valid", None, None),
        ("label", "a,b", "a,b"),
        ("metric", None, None),
        ("schedule", "linear", "linear"),
        ("unlabelled", ["a.txt", "b.txt"], (Path("a.txt"), Path("b.txt"))),
        ("unlabelled", "a.txt", (Path("a.txt"),)),
    ],
)
def test_a_value_becomes_what_the_field_says(name: str, given: Any, expected: Any) -> None:
    value = getattr(from_mapping(CompareArgs, {name: given}, "x.toml"), name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("epochs", 1.5, "must be a whole number, not 1.5"),
        ("epochs", True, "must be a whole number, not True"),
        ("epochs", None, "must be a whole number, not None"),
        ("decay", "1", "must be a number, not '1'"),
        ("decay", True, "must be a number, not True"),
        ("overwrite", 1, "must be true or false, not 1"),
        ("label", 3, "must be text, not 3"),
        ("valid", 3, "must be a path, not 3"),
        ("schedule", "fast", f"must be one of {', '.join(get_args(Schedule))}, not 'fast'"),
        ("unlabelled", ["a.txt", 3], "must be a path, not 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name: str, given: Any, told: str) -> None:
    with pytest.raises(SteepError) as refused:
        from_mapping(CompareArgs, {name: given}, "x.toml")
    assert str(refused.value) == f"x.toml: option '{name}' {told}."


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(SteepError, match="no option 'learning_rat'. Did you mean 'learning_rate'"):
        from_mapping(FitArgs, {"learning_rat": 1.0}, "x.toml")
    with pytest.raises(SteepError, match="no option 'zzz'.$"):
        from_mapping(FitArgs, {"zzz": 1}, "x.toml")


def test_every_option_has_a_sentence_of_help_and_a_valid_default() -> None:
    kinds = [kind for name, kind in vars(args_of).items() if name.endswith("Args")]
    assert len(kinds) >= 10
    for kind in kinds:
        for field in dataclasses.fields(kind):
            assert field.metadata["help"].endswith("."), f"{kind.__name__}.{field.name}"
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
        assert from_mapping(kind, defaults, "defaults") == kind()


def test_options_survive_the_way_to_json_and_back() -> None:
    args = CompareArgs(unlabelled=(Path("a.txt"),), valid=Path("v.csv"), epochs=2)
    assert from_mapping(CompareArgs, as_mapping(args), "steep.json") == args


def test_toml_reads_only_its_table_and_allows_dashes(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[fit]\nbatch-size = 8\n[adapt]\nepochs = 2\n")
    assert read_toml(path, "fit") == {"batch_size": 8}
    assert read_toml(path, "compare") == {}


def test_toml_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe[fit]")
    with pytest.raises(SteepError, match="not valid TOML"):
        read_toml(path, "fit")
