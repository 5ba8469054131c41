"""Has every option of a command an effect? Each one is read by code while the command runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.make_stub import COMMANDS
from steep.options import Part, options_of

Steep = Callable[..., Any]
KINDS = {function.__name__: kind for function, kind in COMMANDS}
COPIES = ("dataclasses.py", "<string>")  # who reads fields only to copy or to compare them


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of all options that code has read since."""
    found: set[str] = set()

    def watched(part: Part, name: str) -> Any:
        if name in type(part).__dataclass_fields__:
            reader = sys._getframe(1).f_code.co_filename
            if not reader.endswith(COPIES):
                found.add(name)
        return object.__getattribute__(part, name)

    monkeypatch.setattr(Part, "__getattribute__", watched)
    return found


def lines(command: str, table: Path, adapted: Path, bert: Path, model: Path) -> list[tuple]:
    """Command lines that between them come past every option."""
    file, short = (table, "--label label"), "--max-length 32 --epochs 1"
    start = (*file, "--model", bert)
    return {
        "check": [start],
        "adapt": [(*start, short, "--probe"), (*start, "--max-length 32 --minutes 0.02")],
        "fit": [
            (*file, "--model", adapted, "--base", bert, short, "--truncation sliding-mean"),
            (*start, "--max-length 32 --epochs 2 --head-epochs 1"),
        ],
        "predict": [(model, table)],
        "evaluate": [(model, table)],
        "compare": [(*start, short, "--seeds 1 --arms base,adapted,longer"), (*start, "--dry-run")],
        "multitask": [(table, table.with_name("pairs.csv"), "--text text --text premise", short,
                       "--label label", "--model", bert)],
        "select": [(table, "--near", *start, "--by encoder --max-length 32")],
        "lr_find": [(*start, "--max-length 32 --curves 1 --curve-steps 20")],
        "self_train": [(*file, table.with_name("pile.txt"), "--model", bert, short,
                        "--confidence 0.5")],
        "explain": [(model, table, "--n-steps 4 --ids row-1")],
        "export": [(model, table, "--int8")],
    }[command]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("read", "learner", "report", "recipe", "demo")])  # fmt: skip
def test_every_option_is_read(
    steep: Steep,
    tables: Path,
    tiny_bert: Path,
    adapted: Path,
    fitted: Callable[[str], Path],
    short_step2: Path,
    tmp_path: Path,
    seen: set[str],
    name: str,
) -> None:
    for package, command in (("captum", "explain"), ("onnxruntime", "export")):
        if command == name:
            pytest.importorskip(package)
    (tables / "pile.txt").write_text("a good film .\n\na bad film .\n\none more day .\n")
    out_file = {"predict": "p.csv", "check": "c.json", "lr_find": "l.json"}
    for number, words in enumerate(lines(name, tables / "single.csv", adapted, tiny_bert, fitted("single"))):  # fmt: skip
        out = tmp_path / str(number) / out_file.get(name, "out")
        asked = () if name == "export" else ("--out", out)
        config = ("--config", short_step2) if name == "compare" else ()
        steep(name.replace("_", "-"), *words, *asked, *config)
    kind = KINDS[name]
    assert kind is not None
    assert {option.name for option in options_of(kind)} - seen == set()
