"""Does the command line offer every option, explain every mistake, and start at once?"""

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
from scripts.make_stub import COMMANDS as FUNCTIONS
from steep.args import CompareArgs, FitArgs
from steep.cli import app
from steep.errors import SteepError
from steep.openings import Openings
from steep.options import make, options_of

NO_COMMAND = ("read", "learner", "recipe")  # of Python alone
COMMANDS: dict[str, Any] = {
    function.__name__.replace("_", "-"): kind
    for function, kind in FUNCTIONS
    if kind is not None and function.__name__ not in NO_COMMAND
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
        room = "study" if name == "compare" else "stages"
        module = ModuleType(f"steep.{room}.{name}")
        setattr(module, name, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(module.__name__, module, raising=False)

    return put


@pytest.fixture
def fit(stage: Any) -> list[tuple[Path, Path, FitArgs]]:
    """What the stage `fit` was called with."""
    calls: list[tuple[Path, Path, FitArgs]] = []

    def record(file: Path, out: Path, args: FitArgs, openings: Openings) -> Path:
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
def test_every_option_is_in_the_long_help_with_its_sentence_and_default(name: str) -> None:
    shown = plain(invoke(name, "--help-all").output)
    for option in options_of(COMMANDS[name]):
        assert f"--{option.name.replace('_', '-')} " in shown
        assert option.metadata["help"] in shown
        if option.default not in (None, False, ()):
            assert f"[default: {option.default}]" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_help_is_one_screen_of_the_common_options(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1"})
    shown = done.output
    assert len(shown.strip().splitlines()) <= 40
    assert "--help-all" in shown
    for option in options_of(COMMANDS[name]):
        flag = f"--{option.name.replace('_', '-')} "
        assert (flag in shown) is option.metadata["common"], flag


def test_the_options_of_fit_come_in_the_order_in_which_one_meets_them() -> None:
    shown = invoke("fit", "--help").output
    flags = ["--text", "--label", "--model", "--out", "--epochs", "--learning-rate", "--seed"]
    places = [shown.index(f"{flag} ") for flag in flags]
    assert places == sorted(places)


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
    words = "fit a.csv --out m --label y --epochs 7 --layer-decay 1 --valid v.csv --overwrite"
    assert invoke(*words.split()).exit_code == 0
    expected = make(FitArgs, label="y", epochs=7, layer_decay=1.0, valid="v.csv", overwrite=True)
    assert fit == [(Path("a.csv"), Path("m"), expected)]


def test_without_flags_the_defaults_are_those_of_the_dataclass(fit: list[Any]) -> None:
    assert invoke("fit", "a.csv", "--out", "m").exit_code == 0
    assert fit[0][2] == FitArgs()


def test_a_repeatable_option_becomes_a_tuple(stage: Any) -> None:
    calls = []
    stage("compare", lambda file, out, args, arms: calls.append(args) or out)
    words = "compare a.csv --out s --unlabelled b.txt --unlabelled c.txt".split()
    assert invoke(*words).exit_code == 0
    assert calls[0].texts.unlabelled == (Path("b.txt"), Path("c.txt"))


def test_several_files_keep_their_order(stage: Any) -> None:
    calls = []
    stage("adapt", lambda files, **_: calls.append(files) or Path("s"))
    assert invoke("adapt", "b.txt", "a.csv", "--out", "s").exit_code == 0
    assert calls == [[Path("b.txt"), Path("a.csv")]]


def test_flags_win_over_toml_and_toml_over_defaults(fit: list[Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[fit]\nout = "from-toml"\nepochs = 9\nbatch-size = 8\nmax-grad-norm = 2\n'
        'valid = "v.csv"\n'
        '[adapt]\nmodel = "x"\n'
    )
    assert invoke("fit", "a.csv", "--config", str(recipe), "--epochs", "3").exit_code == 0
    _, out, args = fit[0]
    assert out == Path("from-toml")
    assert args == make(FitArgs, epochs=3, batch_size=8, max_grad_norm=2.0, valid="v.csv")


def test_one_path_may_stand_for_a_list_of_inputs(stage: Any, tmp_path: Path) -> None:
    calls: list[Any] = []
    stage("adapt", lambda files, out, **_: calls.append(files) or out)
    toml = tmp_path / "c.toml"
    for files in ('"a.txt"', '["a.txt"]'):
        toml.write_text(f'[adapt]\nfiles = {files}\nout = "o"\n')
        assert invoke("adapt", "--config", str(toml)).exit_code == 0
    assert calls == [[Path("a.txt")]] * 2


@pytest.mark.parametrize("value", ["5", "true", "1979-05-27", '["o"]', '""', "{ a = 1 }"])
def test_an_input_that_is_no_path_is_named(tmp_path: Path, value: str) -> None:
    toml = tmp_path / "c.toml"
    toml.write_text(f"[fit]\nout = {value}\n")
    done = invoke("fit", "a.csv", "--config", str(toml))
    assert done.exit_code == 2
    assert f"{toml}: [fit]: out must be a path, not" in done.stderr.replace("\n", "")


def test_compare_reads_the_tables_of_adapt_and_fit(stage: Any, tmp_path: Path) -> None:
    calls: list[CompareArgs] = []
    stage("compare", lambda file, out, args, arms: calls.append(args) or out)
    toml = tmp_path / "all.toml"
    toml.write_text(
        '[adapt]\ntext = "review"\nlearning-rate = 3e-4\nmasking = "word"\nout = "adapted"\n'
        '[fit]\nlabel = "stars"\nlearning-rate = 2e-4\nepochs = 5\nout = "model"\n'
        "[compare]\nseeds = 3\nepochs = 6\n"
    )
    words = ["compare", "a.csv", "--out", "s", "--config", str(toml), "--seeds", "2"]
    assert invoke(*words).exit_code == 0
    step2 = {"learning_rate": 3e-4, "masking": "word"}
    given = {"text": "review", "label": "stars", "learning_rate": 2e-4, "epochs": 6, "seeds": 2}
    assert calls == [make(CompareArgs, adapt=step2, **given)]


def test_compare_refuses_what_a_study_does_not_do(tmp_path: Path) -> None:
    toml = tmp_path / "all.toml"
    toml.write_text("[fit]\ncalibrate = true\n[adapt]\ntransductive = true\n")
    done = run("compare", "a.csv", "--out", str(tmp_path / "s"), "--config", str(toml))
    assert "[adapt]: there is no option 'transductive' in 'steep compare'" in done.stderr
    assert done.returncode == 2
    toml.write_text("[fit]\ncalibrate = true\n")
    done = run("compare", "a.csv", "--out", str(tmp_path / "s"), "--config", str(toml))
    assert "[fit]: 'steep compare' does not use calibrate" in done.stderr


def test_a_flag_that_repeats_the_default_still_wins(fit: list[Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[fit]\nepochs = 9\n")
    words = ["fit", "a.csv", "--out", "m", "--epochs", "3", "--config", str(recipe)]
    assert invoke(*words).exit_code == 0
    assert fit[0][2].tune.epochs.epochs == 3


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[fit]\nepocs = 3\n", "no option 'epocs' in 'steep fit'. Did you mean 'epochs'?"),
        ("[fit]\nepochs = 'three'\n", "option 'epochs' must be a whole number, not 'three'"),
        ("[fit]\nschedule = 'fast'\n", "must be one of one-cycle, slanted, linear, cosine"),
        ("fit = 3\n", "'fit' is outside of any table"),
        ("epochs = 3\n[fit]\nseed = 1\n", "'epochs' is outside of any table"),
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
    def fail(file: Path, out: Path, args: FitArgs, openings: Openings) -> Path:
        raise SteepError(f"{file}, row 3: [no] label. " + "Give one. " * 20)

    stage("fit", fail)
    with pytest.raises(SystemExit) as ended:
        app(["fit", "a.csv", "--out", "m"])
    shown = capfd.readouterr()
    assert ended.value.code == 2
    assert shown.err == "Error: a.csv, row 3: [no] label. " + "Give one. " * 20 + "\n"
    assert shown.out == ""


def test_a_defect_of_ours_is_not_hidden(stage: Any) -> None:
    def fail(file: Path, out: Path, args: FitArgs, openings: Openings) -> Path:
        raise ZeroDivisionError

    stage("fit", fail)
    with pytest.raises(ZeroDivisionError):
        app(["fit", "a.csv", "--out", "m"])


def test_ctrl_c_ends_with_130_and_says_what_is_kept(
    stage: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop(file: Path, out: Path, args: CompareArgs, arms: Any) -> Path:
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
    assert set(steep.__all__) == {"__version__", *steep._HOMES, *steep._FEATURES}
    assert steep.SteepError is SteepError


def test_importing_steep_imports_nothing_else() -> None:
    program = "import sys; import steep; print([n for n in sys.modules if n.startswith('steep.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
