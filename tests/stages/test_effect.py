"""Has every option of a command an effect? Each one is read by code while the command runs."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from huggingface_hub import HfApi

from scripts.make_stub import COMMANDS
from steep.openings import AblationArgs, IdentityArgs, MitigationArgs
from steep.options import Part, options_of
from tests.stages.conftest import COLUMNS

Steep = Callable[..., Any]
PYTHON_OR_LONG = ("read", "learner", "report", "recipe", "demo")
KINDS = {f.__name__: kind for f, kind in COMMANDS if f.__name__ not in PYTHON_OR_LONG}
COPIES = ("dataclasses.py", "<string>")  # who reads fields only to copy or to compare them
APART = (IdentityArgs, MitigationArgs, AblationArgs)  # of compare: tests/shelf/bias, ../ablation
NO_OUT = ("cache", "export")
FILES = {"predict": "p.csv", "check": "c.json", "lr_find": "l.json"}
SHORT, PHASES = "--max-length 32 --epochs 1", "--max-length 32 --epochs 2 --head-epochs 1"


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


@pytest.fixture
def mentioned(tables: Path, tmp_path: Path) -> Path:
    """The table of classes, a third of whose rows mention women."""
    table = pd.read_csv(tables / "single.csv")
    table["women"] = (table.index % 3 == 0).astype(int)
    table.to_csv(tmp_path / "mentioned.csv", index=False)
    return tmp_path / "mentioned.csv"


@pytest.fixture
def weighted(tables: Path, tiny_bert: Path, tmp_path: Path) -> tuple[Path | str, ...]:
    """A line on several labels, with weights by the women that a third of the rows mention."""
    table = pd.read_csv(tables / "multi.csv")
    table.assign(women=table.index % 3 == 0).to_csv(tmp_path / "several.csv", index=False)
    named = f"{COLUMNS['multi']} --positive toxic --identities women --bias-weights kernel --model"
    return tmp_path / "several.csv", named, tiny_bert


@pytest.fixture
def short_fit(tmp_path: Path) -> Path:
    """A file of options for a short fit."""
    path = tmp_path / "fit.toml"
    path.write_text("[fit]\nmax-length = 32\nepochs = 1\n")
    return path


@pytest.fixture
def model(fitted: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a fitted model, for what writes beside it."""
    return Path(shutil.copytree(fitted("single"), tmp_path / "fitted"))


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Unlabelled texts."""
    path = tmp_path / "pile.txt"
    path.write_text("a good film .\n\na bad film .\n\none more day .\n")
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that takes everything."""
    for name in ("create_repo", "upload_folder"):
        monkeypatch.setattr(HfApi, name, lambda *_, **__: "nowhere")


@pytest.fixture
def lines(
    tables: Path,
    adapted: Path,
    tiny_bert: Path,
    model: Path,
    pile: Path,
    hub: None,
    short_step2: Path,
    mentioned: Path,
    weighted: tuple[Path | str, ...],
    short_fit: Path,
) -> dict[str, list[tuple[Path | str, ...]]]:
    """For each command, lines that between them come past every option."""
    table, pairs = tables / "single.csv", tables / "pairs.csv"
    file = (table, "--label label")
    start = (*file, "--model", tiny_bert)
    study = (*start, "--seeds 1 --keep-going --config", short_step2)
    sliding = (*file, SHORT, "--truncation sliding-mean --model", adapted, "--base", tiny_bert)
    teacher = (table, pile, "--label label --confidence 0.5 --model", tiny_bert)
    both = (table, pairs, "--text text --text premise --label label --model", tiny_bert)
    groups = (mentioned, "--label label --identities women --positive positive")
    return {
        "auto": [(*start, pile, PHASES, "--minutes 0.02 --config", short_step2)],
        "bias": [(model, *groups), (tiny_bert, *groups, "--folds 2 --config", short_fit)],
        "cache": [("--older-than 1 --keep 1GB --prune",)],
        "check": [start],
        "adapt": [(*start, SHORT, "--probe"), (*start, "--max-length 32 --minutes 0.02")],
        "fit": [sliding, (*start, PHASES, "--label-budget 50"), (*weighted, SHORT)],
        "predict": [(model, table)],
        "evaluate": [(model, table)],
        "compare": [(*study, PHASES, "--arms base,adapted,longer"), (*study, SHORT, "--dry-run")],
        "multitask": [(*both, SHORT)],
        "select": [(table, "--near", *start, "--by encoder --max-length 32")],
        "lr_find": [(*start, "--max-length 32 --curves 1 --curve-steps 20")],
        "self_train": [(*teacher, PHASES), (*teacher, SHORT, "--truncation sliding-mean")],
        "explain": [(model, table, "--n-steps 4 --ids row-1")],
        "export": [(model, table, "--int8")],
        "share": [(model, "--licence mit --language en --upload me/mine")],
    }


@pytest.mark.parametrize("name", KINDS)
def test_every_option_is_read(
    steep: Steep,
    lines: dict[str, list[tuple[Path | str, ...]]],
    seen: set[str],
    name: str,
    tmp_path: Path,
) -> None:
    if name in ("explain", "export"):
        pytest.importorskip({"explain": "captum", "export": "onnxruntime"}[name])
    for number, words in enumerate(lines[name]):
        out = tmp_path / str(number) / FILES.get(name, "out")
        steep(name.replace("_", "-"), *words, *(() if name in NO_OUT else ("--out", out)))
    apart = {option.name for part in APART for option in options_of(part) if name == "compare"}
    assert {option.name for option in options_of(KINDS[name])} - seen - apart == set()
