"""Is a table that cannot be used explained in one message, with nothing half-written?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Steep = Callable[..., Any]
Refused = Callable[..., str]
Fitted = Callable[[str], Path]

GOOD = "".join(f"{i},the plot was {'good' if i % 2 else 'bad'} {i},{i % 2}\n" for i in range(40))
HEADER = "id,text,label\n"

TABLES = {
    "missing column": ("id,txt,label\n" + GOOD, "no column 'text'", "Did you mean 'txt'?"),
    "missing label": ("id,text,lable\n" + GOOD, "no column 'label'", "Did you mean 'lable'?"),
    "empty file": ("", "the file is empty", ""),
    "only a header": (HEADER, "no row with a text", ""),
    "only empty texts": (HEADER + "1,,0\n2, ,1\n", "no row with a text", "2 rows"),
    "wrong encoding": (HEADER.encode() + "1,caf\xe9,1\n".encode("latin1"), "not UTF-8", "iconv"),
    "utf-16": ((HEADER + GOOD).encode("utf-16"), "UTF-16", "iconv"),
    "one class": (HEADER + GOOD.replace(",0\n", ",1\n"), "label '1'", "two classes are needed"),
    "empty label": (HEADER + GOOD + "x,a film,\n", "1 rows have no label", "rows 41"),
    "nan label": (HEADER + GOOD + "x,a film,NaN\n", "1 rows have no label", "rows 41"),
    "ragged": (HEADER + GOOD + "x,a, film,1\n", "4 cells, but the header has 3", "row 41"),
}


@pytest.fixture
def bad(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str, str]:
    """A file that cannot be used, and two parts of the message that says why."""
    content, told, advice = TABLES[request.param]
    path = tmp_path / "reviews.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path, told, advice


@pytest.mark.parametrize("bad", TABLES, indirect=True)
@pytest.mark.parametrize("command", ["check", "adapt", "fit", "compare"])
def test_a_bad_table_is_refused_by_every_command_that_reads_labels(
    refused: Refused, bad: tuple[Path, str, str], command: str, tiny_bert: Path, tmp_path: Path
) -> None:
    path, told, advice = bad
    message = refused(command, path, "--label label --model", tiny_bert, "--out", tmp_path / "out")
    assert message.startswith(str(path))
    assert told in message
    assert advice in message


@pytest.mark.parametrize("bad", ["missing column", "empty file", "wrong encoding"], indirect=True)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_bad_table_is_refused_by_a_model(
    refused: Refused, bad: tuple[Path, str, str], command: str, fitted: Fitted, tmp_path: Path
) -> None:
    path, told, _ = bad
    message = refused(command, fitted("single"), path, "--out", tmp_path / "out")
    assert message.startswith(str(path))
    assert told in message


def test_a_file_that_is_not_there(refused: Refused, tiny_bert: Path, tmp_path: Path) -> None:
    for command in ("check", "adapt", "fit", "compare"):
        words = (tmp_path / "no.csv", "--label label --model", tiny_bert, "--out", tmp_path / "out")
        assert "no.csv: there is no such file" in refused(command, *words)


@pytest.mark.parametrize("flag", ["--valid", "--test"])
def test_a_label_that_training_does_not_know(
    refused: Refused, flag: str, tiny_bert: Path, tmp_path: Path
) -> None:
    train, other = tmp_path / "train.csv", tmp_path / "other.csv"
    train.write_text(HEADER + GOOD)
    other.write_text(HEADER + "1,a film,1\n2,a dog,maybe\n")
    words = ("--label label --model", tiny_bert, flag, other, "--out", tmp_path / "out")
    message = refused("fit", train, *words)
    assert message.startswith(f"{other}, row 2, column 'label': the label 'maybe' does not occur")


def test_a_label_that_the_model_does_not_know(
    refused: Refused, fitted: Fitted, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "1,a film,positive\n2,a dog,neutral\n")
    message = refused("evaluate", fitted("single"), other)
    assert message.startswith(f"{other}, row 2, column 'label': the label 'neutral' does not occur")
    assert "Of 2 rows, so many have such labels: neutral 1." in message
    assert "negative, positive" in message


def test_a_test_file_without_rows(refused: Refused, tiny_bert: Path, tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(HEADER + GOOD)
    test.write_text(HEADER)
    words = ("--label label --model", tiny_bert, "--test", test, "--out", tmp_path / "out")
    assert refused("fit", train, *words).startswith(f"{test}: no row with a text")


def test_a_file_without_rows_to_predict(refused: Refused, fitted: Fitted, tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_text(HEADER)
    words = (fitted("single"), test, "--out", tmp_path / "p.csv")
    assert refused("predict", *words).startswith(f"{test}: no row with a text")


def test_rows_to_evaluate_on_that_have_no_label(
    refused: Refused, fitted: Fitted, tmp_path: Path
) -> None:
    test = tmp_path / "test.csv"
    test.write_text("id,text\n1,a film\n")
    assert "there is no column 'label'" in refused("evaluate", fitted("single"), test)
    test.write_text("id,text,label\n1,a film,\n2,a dog,positive\n")
    assert "1 rows have no label" in refused("evaluate", fitted("single"), test)


def test_a_task_without_a_column_of_labels(
    refused: Refused, tables: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    for command in ("fit", "compare"):
        words = (tables / "single.csv", "--model", tiny_bert, "--out", tmp_path / "out")
        assert "name the column of labels with --label" in refused(command, *words)


def test_another_file_than_the_adaptations_is_split_anew(
    steep: Steep, tables: Path, adapted: Path, tiny: str, tmp_path: Path
) -> None:
    lines = (tables / "single.csv").read_text().splitlines(keepends=True)
    other = tmp_path / "other.csv"
    other.write_text("".join(lines[:-7]))
    out = tmp_path / "out"
    options = "--label label --max-length 32 --epochs 1"
    steep("fit", other, options, "--model", adapted, "--out", out)
    notes = json.loads((out / "steep.json").read_text())["notes"]
    assert any("split seed 0" in note for note in notes)
    assert any(note.startswith("transductive: step 2 saw") for note in notes)
