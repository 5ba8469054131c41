"""What do the tests of whole commands share? `steep` itself, and a small table of every kind."""

import random
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from steep.cli import app

Rows = list[tuple[str, str, str]]
Steep = Callable[..., Result]

TOXIC = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
COLUMNS = {
    "single": "--label label",
    "multi": f"--text comment_text --label {','.join(TOXIC)}",
    "regression": "--label stars",
    "pairs": "--text premise --pair claim --label label",
}


@pytest.fixture(scope="session")
def steep() -> Steep:
    """`steep` in this process: paths are words as they are, texts are split like in a shell.

    The exit code must be `code`; an exception that the command line would show as a traceback is
    raised.
    """

    def run(*words: Path | str, code: int = 0) -> Result:
        split = [[str(w)] if isinstance(w, Path) else shlex.split(w) for w in words]
        line = [word for part in split for word in part]
        done = CliRunner().invoke(app, line, env={"COLUMNS": "200", "NO_COLOR": "1"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory, tiny_rows: Rows) -> Path:
    """A folder with single.csv, multi.csv (as Jigsaw's), regression.csv and pairs.csv."""
    folder, draw = tmp_path_factory.mktemp("tables"), random.Random(2)
    single = pd.DataFrame(tiny_rows, columns=["id", "text", "label"])
    negative = single["label"] == "negative"
    multi = single[["id"]].assign(comment_text=single["text"])
    for name in TOXIC:
        multi[name] = [int(bad and draw.random() < 0.8) for bad in negative]
    stars = [f"{3 * (not bad) + draw.random():.3f}" for bad in negative]
    pairs = pd.DataFrame({"id": single["id"], "premise": single["text"]})
    pairs["claim"] = pairs["premise"].to_numpy()[::-1]
    kinds = {
        "single": single,
        "multi": multi,
        "regression": single[["id", "text"]].assign(stars=stars),
        "pairs": pairs.assign(label=single["label"]),
    }
    for name, table in kinds.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def columns() -> dict[str, str]:
    """The options that name the columns of each table."""
    return COLUMNS


@pytest.fixture(scope="session")
def tiny() -> str:
    """Options that train the tiny BERT within a second, the same on every machine."""
    return "--precision fp32 --device cpu --max-length 32"


@pytest.fixture(scope="session")
def short_step2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TOML file with windows that the tiny BERT can read, for step 2 of a study."""
    path = tmp_path_factory.mktemp("toml") / "study.toml"
    path.write_text("[adapt]\nmax-length = 32\n")
    return path


@pytest.fixture(scope="session")
def adapted(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny BERT, adapted to the texts of single.csv."""
    out = tmp_path_factory.mktemp("step2") / "adapted"
    files = (tables / "single.csv", COLUMNS["single"], "--model", tiny_bert)
    steep("adapt", *files, tiny, "--epochs 2 --out", out)
    return out


@pytest.fixture(scope="session")
def fitted(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A function that gives the folder of a fit on one of the tables; each is made once."""
    folder = tmp_path_factory.mktemp("step3")

    def give(kind: str) -> Path:
        if not (folder / kind).exists():
            files = (tables / f"{kind}.csv", COLUMNS[kind], "--model", tiny_bert)
            training = "--epochs 4 --learning-rate 5e-3 --out"
            steep("fit", *files, tiny, training, folder / kind)
        return folder / kind

    return give


@pytest.fixture
def refused(steep: Steep, tmp_path: Path) -> Callable[..., str]:
    """A function that runs a command that must fail like a user's mistake; gives its message.

    That is: code 2, one message and it comes last, nothing on standard output, and no file more,
    less or changed in the folder of the test.
    """

    def files() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns if p.is_file() else 0 for p in tmp_path.rglob("*")}

    def run(*words: Path | str) -> str:
        before = files()
        done = steep(*words, code=2)
        assert files() == before
        said, _, message = done.stderr.rpartition("Error: ")
        assert message
        assert "Error: " not in said
        assert "Traceback" not in done.stderr
        assert message.count("\n") == 1
        assert done.stdout == ""
        return message

    return run
