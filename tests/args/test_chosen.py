"""Is all of a TOML file read, or said not to be?"""

from pathlib import Path

import pytest

from steep.args import CompareArgs, FitArgs
from steep.args.chosen import COMMANDS, options_for
from steep.cli import app
from steep.errors import SteepError


def test_a_table_can_be_named_after_every_command() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert {name.replace("-", "_") for name in names} | {"read"} == {*COMMANDS}


@pytest.mark.parametrize("name", ["fits", "Fit", "tool", "x" * 5_000])
def test_a_table_of_no_command_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[{name}]\nepochs = 1\n[fit]\nepochs = 2\n")
    with pytest.raises(SteepError, match=r"c\.toml: there is no command for the table") as refused:
        options_for(FitArgs, "fit", {"config": path})
    assert len(str(refused.value)) < len(str(path)) + 300
    assert ("Did you mean 'fit'?" in str(refused.value)) == (name in ("fits", "Fit"))


def test_a_file_without_a_table_of_the_command_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[select]\ncount = 3\n")
    assert options_for(FitArgs, "fit", {"config": path}) == FitArgs()
    assert "c.toml: has no table [fit], so nothing of it is used" in capsys.readouterr().err
    assert options_for(CompareArgs, "compare", {"config": path}) == CompareArgs()
    assert "has no table [adapt] or [compare] or [fit]" in capsys.readouterr().err
    path.write_text("[fit]\nepochs = 2\n")
    assert options_for(CompareArgs, "compare", {"config": path}).tune.epochs.epochs == 2
    assert capsys.readouterr().err == ""
