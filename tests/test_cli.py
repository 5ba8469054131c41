"""Does the command line offer every option, explain every mistake, and start at once?"""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

import steep
from steep.args import (
    AdaptArgs,
    CheckArgs,
    CompareArgs,
    DemoArgs,
    EvaluateArgs,
    FitArgs,
    MultitaskArgs,
    PredictArgs,
    SelectArgs,
)
from steep.cli import app
from steep.errors import SteepError

COMMANDS: dict[str, Any] = {
    "check": CheckArgs,
    "adapt": AdaptArgs,
    "fit": FitArgs,
    "multitask": MultitaskArgs,
    "predict": PredictArgs,
    "select": SelectArgs,
    "evaluate": EvaluateArgs,
    "compare": CompareArgs,
    "demo": DemoArgs,
}
HEAVY = ("torch", "transformers", "fastai", "pandas", "datasets", "numpy")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`steep` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "steep", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"} | environment,
    )


def invoke(*words: str) -> Any:
    """`steep` in this process, so that stages can be replaced."""
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})


def plain(shown: str) -> str:
    """Help without its frames, so that a wrapped sentence is one again."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", shown).split())


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that puts another one in the place of a stage."""

    def put(name: str, function: Any) -> None:
        module = ModuleType(f"steep.stages.{name}")
        setattr(module, name, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(f"steep.stages.{name}", module, raising=False)

    return put


@pytest.fixture
def fit(stage: Any) -> list[tuple[Path, Path, FitArgs]]:
    """What the stage `fit` was called with."""
    calls: list[tuple[Path, Path, FitArgs]] = []

    def record(file: Path, out: Path, args: FitArgs) -> Path:
        calls.append((file, out, args))
        return out

    stage("fit", record)
    return calls


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from steep.cli import app\n"
        f"try: app({words!r})\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def test_a_mistake_in_files_or_options_is_answered_before_torch_is_imported(tmp_path: Path) -> None:
    table, out = tmp_path / "table.csv", tmp_path / "out"
    table.write_text("text,label\n" + "".join(f"text {i},{i % 2}\n" for i in range(40)))
    (tmp_path / "config.json").write_text("{}")  # enough of a checkpoint, until it is loaded
    named = f"{table} --label label --out {out} --model"
    mistakes = [
        f"check {table} --text txt",
        f"fit {named} {tmp_path} --text txt",
        f"fit {named} {tmp_path} --metric acuracy",
        f"fit {named} {out}",
        f"adapt {named} {tmp_path} --text txt",
        f"compare {named} {tmp_path} --text txt",
        f"predict {out} {table} --out {tmp_path / 'predictions.csv'}",
        f"evaluate {out} {table}",
    ]
    program = (
        "import sys; from steep.cli import app\n"
        f"for words in {mistakes!r}:\n"
        "    try: app(words.split())\n"
        "    except SystemExit as end: assert end.code == 2\n"
        "print([name for name in ('torch', 'transformers', 'fastai') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0)
    assert done.stderr.count("Error: ") == len(mistakes)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_help_with_its_sentence_and_default(name: str) -> None:
    shown = plain(invoke(name, "--help").output)
    for field in dataclasses.fields(COMMANDS[name]):
        assert f"--{field.name.replace('_', '-')} " in shown
        assert field.metadata["help"] in shown
        if field.default not in (None, False, ()):
            assert f"[default: {field.default}]" in shown


@pytest.mark.parametrize("name", [*COMMANDS, "report"])
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    assert f"Example: steep {name} " in plain(invoke(name, "--help").output)


def test_version() -> None:
    assert run("--version").stdout.strip() == steep.__version__


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fit", "x.csv", "--out", "m", "--epocs", "3"], "--epocs"),
        (["fit", "x.csv", "--out", "m", "--epochs", "many"], "--epochs"),
        (["fit", "x.csv", "--out", "m", "--schedule", "fast"], "one-cycle"),
        (["fit", "x.csv"], "--out"),
        (["fit", "--out", "m"], "FILE"),
        (["fti"], "fti"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_names_the_word(words: list[str], told: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_flags_reach_the_stage_as_the_dataclass(fit: list[Any]) -> None:
    words = "fit a.csv --out m --label y --epochs 7 --decay 1 --valid v.csv --overwrite".split()
    assert invoke(*words).exit_code == 0
    expected = FitArgs(label="y", epochs=7, decay=1.0, valid=Path("v.csv"), overwrite=True)
    assert fit == [(Path("a.csv"), Path("m"), expected)]


def test_without_flags_the_defaults_are_those_of_the_dataclass(fit: list[Any]) -> None:
    assert invoke("fit", "a.csv", "--out", "m").exit_code == 0
    assert fit[0][2] == FitArgs()


def test_a_repeatable_option_becomes_a_tuple(stage: Any) -> None:
    calls = []
    stage("compare", lambda file, out, args: calls.append(args) or out)
    words = "compare a.csv --out s --unlabelled b.txt --unlabelled c.txt".split()
    assert invoke(*words).exit_code == 0
    assert calls[0].unlabelled == (Path("b.txt"), Path("c.txt"))


def test_several_files_keep_their_order(stage: Any) -> None:
    calls = []
    stage("adapt", lambda files, out, args: calls.append(files) or out)
    assert invoke("adapt", "b.txt", "a.csv", "--out", "s").exit_code == 0
    assert calls == [[Path("b.txt"), Path("a.csv")]]


def test_flags_win_over_toml_and_toml_over_defaults(fit: list[Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[fit]\nout = "from-toml"\nepochs = 9\nbatch-size = 8\nclip = 2\nvalid = "v.csv"\n'
        '[adapt]\nmodel = "x"\n'
    )
    assert invoke("fit", "a.csv", "--config", str(recipe), "--epochs", "3").exit_code == 0
    _, out, args = fit[0]
    assert out == Path("from-toml")
    assert args == FitArgs(epochs=3, batch_size=8, clip=2.0, valid=Path("v.csv"))


def test_a_flag_that_repeats_the_default_still_wins(fit: list[Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[fit]\nepochs = 9\n")
    words = ["fit", "a.csv", "--out", "m", "--epochs", "3", "--config", str(recipe)]
    assert invoke(*words).exit_code == 0
    assert fit[0][2].epochs == 3


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[fit]\nepocs = 3\n", "there is no option 'epocs'. Did you mean 'epochs'?"),
        ("[fit]\nepochs = 'three'\n", "option 'epochs' must be a whole number, not 'three'"),
        ("[fit]\nschedule = 'fast'\n", "must be one of one-cycle, slanted, linear, cosine"),
        ("fit = 3\n", "'fit' must be a table, written [fit]"),
        ("[fit\n", "not valid TOML"),
        (None, "there is no such file"),
    ],
)
def test_a_wrong_toml_ends_with_2_and_one_message(
    toml: str | None, told: str, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    if toml is not None:
        recipe.write_text(toml)
    done = run("fit", "a.csv", "--out", str(tmp_path / "m"), "--config", str(recipe))
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {recipe}")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_mistake_of_the_user_is_one_paragraph_and_code_2(
    stage: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(file: Path, out: Path, args: FitArgs) -> Path:
        raise SteepError(f"{file}, row 3: [no] label. " + "Give one. " * 20)

    stage("fit", fail)
    with pytest.raises(SystemExit) as ended:
        app(["fit", "a.csv", "--out", "m"])
    shown = capfd.readouterr()
    assert ended.value.code == 2
    assert shown.err == "Error: a.csv, row 3: [no] label. " + "Give one. " * 20 + "\n"
    assert shown.out == ""


def test_a_defect_of_ours_is_not_hidden(stage: Any) -> None:
    def fail(file: Path, out: Path, args: FitArgs) -> Path:
        raise ZeroDivisionError

    stage("fit", fail)
    with pytest.raises(ZeroDivisionError):
        app(["fit", "a.csv", "--out", "m"])


def test_ctrl_c_ends_with_130_and_says_what_is_kept(
    stage: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop(file: Path, out: Path, args: CompareArgs) -> Path:
        raise KeyboardInterrupt

    stage("compare", stop)
    with pytest.raises(SystemExit) as ended:
        app(["compare", "a.csv", "--out", "s"])
    assert ended.value.code == 130
    assert capfd.readouterr().err.startswith("Stopped. Finished cells of the study are kept")


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        steep.nonsense  # noqa: B018


def test_every_public_name_has_a_home() -> None:
    assert set(steep.__all__) == {"__version__", *steep._HOMES}
    assert steep.FitArgs is FitArgs


def test_importing_steep_imports_nothing_else() -> None:
    program = "import sys; import steep; print([n for n in sys.modules if n.startswith('steep.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
