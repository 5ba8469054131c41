"""Is what is wrong with a Parquet file, or a data set of Hugging Face, said of that file?"""

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steep.args.table import TableArgs
from steep.data.load import read_table
from steep.errors import SteepError
from steep.options import make

LABEL = make(TableArgs, label="label")


def write(path: Path, columns: dict[str, pa.Array] | list[pa.Array], names: list[str]) -> Path:
    pq.write_table(pa.Table.from_arrays(list(columns), names=names), path)
    return path


def test_lists_of_a_fixed_size(tmp_path: Path) -> None:
    hot = pa.array([[0, 1], [1, 1], [0, 0]], pa.list_(pa.int64(), 2))
    path = write(tmp_path / "t.parquet", [pa.array(["a", "b", "c"]), hot], ["text", "label"])
    assert read_table(path, LABEL).labels().tolist() == [[0, 1], [1, 1], [0, 0]]
    names = datasets.List(datasets.ClassLabel(names=["x", "y", "z"]), length=2)
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    rows = {"text": ["a", "b"], "label": [[0, 2], [1, 2]]}
    corpus = read_table(datasets.Dataset.from_dict(rows, features), LABEL)
    assert corpus.labels().tolist() == [[1, 0, 1], [0, 1, 1]]


def test_a_column_twice(tmp_path: Path) -> None:
    texts = pa.array(["a", "b"])
    path = write(tmp_path / "t.parquet", [texts, texts, texts], ["text", "more", "more"])
    assert len(read_table(path, TableArgs())) == 2
    with pytest.raises(SteepError, match="t.parquet: the header names column 'more' twice"):
        read_table(path, make(TableArgs, text="more"))


def test_texts_that_are_no_utf8(tmp_path: Path) -> None:
    good, bad = pa.array(["a"] * 1500), pa.array([b"a"] * 1200 + [b"\xff"] * 300).view(pa.string())
    path = write(tmp_path / "t.parquet", [good, bad], ["text", "label"])
    assert len(read_table(path, TableArgs())) == 1500
    with pytest.raises(SteepError, match="'label', rows 1,001 to 1,500: not UTF-8"):
        read_table(path, LABEL)
    bytes_ = write(tmp_path / "b.parquet", [bad.view(pa.binary())], ["text"])
    with pytest.raises(SteepError, match="column 'text', rows 1,001 to 1,500: not UTF-8"):
        read_table(bytes_, TableArgs())


def test_a_damaged_page_is_said_of_the_file(tmp_path: Path) -> None:
    texts = pa.array([f"text {i}" for i in range(500)])
    path = write(tmp_path / "t.parquet", [texts], ["text"])
    content = bytearray(path.read_bytes())
    content[40:400] = bytes(360)
    path.write_bytes(content)
    with pytest.raises(SteepError, match=r"t.parquet: the file is damaged, or .* newer version: "):
        read_table(path, TableArgs())


def test_an_endless_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steep.data.raw.LONGEST_TEXT", 10)
    path = write(tmp_path / "t.parquet", [pa.array(["a", "b" * 11])], ["text"])
    with pytest.raises(SteepError, match="rows 1 to 2: longer than 10 characters"):
        read_table(path, TableArgs())


@pytest.mark.parametrize("label", ["b\0", ["x", "y\0"]], ids=["text", "list"])
def test_a_nul_character(tmp_path: Path, label: str | list[str]) -> None:
    """As in a CSV file: it is no text, and would be one in files that are written of it."""
    columns = [pa.array(["a", "b"]), pa.array([label, label])]
    path = write(tmp_path / "t.parquet", columns, ["text", "label"])
    assert len(read_table(path, TableArgs())) == 2
    with pytest.raises(SteepError, match="column 'label', rows 1 to 2: holds a NUL character"):
        read_table(path, LABEL)


def test_a_class_without_a_name(tmp_path: Path) -> None:
    table = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 5]})
    features = table.features.copy()
    features["label"] = datasets.ClassLabel(names=["x", "y"])
    held = datasets.Dataset(table.data, info=datasets.DatasetInfo(features=features))
    with pytest.raises(SteepError, match="'label': some class has no name among the 2"):
        read_table(held, LABEL)
