"""Is every kind of file read as it is written, and every broken one refused in clear words?"""

import csv
import io
import json
import random
import re
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steep.args.table import ColumnArgs, TableArgs
from steep.data import records
from steep.data.load import read_table, read_texts
from steep.data.readers import is_texts, listed
from steep.errors import SteepError
from steep.options import make

NASTY = [
    'a "quoted" word',
    "line one\nline two",
    "a, b; c\td | e",
    " blanks ",
    "ü 漢字 🎈",
    "'",
    '"',
    "007",
]


def as_csv(rows, delimiter=",", lineterminator="\n"):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator=lineterminator).writerows(rows)
    return stream.getvalue()


def texts(corpus):
    return [text for group in corpus.texts() for text in group]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("seed", range(3))
def test_csv_comes_back_as_written(write, seed, delimiter, end):
    draw = random.Random(seed)
    rows = [(f"{i:03}", " ".join(draw.choices(NASTY, k=3)), draw.choice("xy")) for i in range(40)]
    path = write("t.csv", as_csv([("id", "text", "label"), *rows], delimiter, end))
    corpus = read_table(path, make(TableArgs, label="label"))
    assert texts(corpus) == [text for _, text, _ in rows]
    assert list(corpus.table["id"]) == [id_ for id_, _, _ in rows]
    assert [corpus.task.labels[i] for i in corpus.labels()] == [label for _, _, label in rows]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.xz", "t.tsv", "T.CSV"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_compression_and_byte_order_mark(write, name, mark):
    delimiter = "\t" if "tsv" in name else ","
    path = write(name, mark + as_csv([("text", "n"), ("one, two", "1"), ("three", "2")], delimiter))
    assert texts(read_table(path, TableArgs())) == ["one, two", "three"]


def test_rows_keep_their_numbers_when_others_are_dropped(write):
    path = write("t.csv", "text,n\nzero,0\n,1\n  ,2\n\nthree,3\n")
    corpus = read_table(path, TableArgs())
    assert corpus.rows().tolist() == [0, 3]
    assert list(corpus.table["id"]) == ["0", "3"]
    assert "t.csv: 2 of 4 rows have no text: dropped" in corpus.notes


def test_a_table_without_quoting_is_read_literally(write):
    path = write("t.tsv", 'text\tn\n"Open\t1\nso "it" goes\t2\n')
    corpus = read_table(path, TableArgs())
    assert texts(corpus) == ['"Open', 'so "it" goes']
    assert any("double quotes" in note for note in corpus.notes)


def test_a_second_read_takes_the_cache_and_a_changed_file_does_not(write, cache):
    path = write("t.csv", "text,n\none,1\n")
    assert texts(read_table(path, TableArgs())) == ["one"]
    (stored,) = cache.rglob("*.arrow")
    before = stored.stat().st_mtime_ns
    assert texts(read_table(path, TableArgs())) == ["one"]
    assert stored.stat().st_mtime_ns == before
    write("t.csv", "text,n\nanother,1\n")
    assert texts(read_table(path, TableArgs())) == ["another"]


def test_a_broken_file_leaves_nothing_in_the_cache(write, cache):
    path = write("t.csv", "text,n\none,1\ntwo,2,3\n")
    with pytest.raises(SteepError):
        read_table(path, TableArgs())
    assert not [file for file in cache.rglob("*") if file.is_file()]


def test_json_lines(write):
    records = [
        {"id": "001", "text": NASTY[4], "label": 1, "tags": ["a", "b"]},
        {"id": "002", "text": None, "label": 2, "tags": []},
        {"text": "no id", "label": 1, "tags": None},
    ]
    path = write("t.jsonl.gz", "\n".join(json.dumps(record) for record in records) + "\n\n")
    corpus = read_table(path, TableArgs())
    assert texts(corpus) == [NASTY[4], "no id"]
    assert list(corpus.table["id"]) == ["001", "2"]
    tagged = read_table(path, make(TableArgs, label="tags"))
    assert tagged.task.kind == "multi"
    assert tagged.labels().tolist() == [[1, 1], [0, 0]]


def test_parquet(tmp_path):
    table = pa.table({"text": ["one", None, "three"], "label": [True, False, False]})
    pq.write_table(table, tmp_path / "t.parquet")
    corpus = read_table(tmp_path / "t.parquet", make(TableArgs, label="label"))
    assert corpus.rows().tolist() == [0, 2]
    assert corpus.task.labels == ("false", "true")


def test_a_saved_data_set_keeps_its_class_names(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    table = datasets.Dataset.from_dict({"text": list("abcd"), "label": [1, 0, 0, 1]}, features)
    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "set"))
    corpus = read_table(tmp_path / "set" / "train", make(TableArgs, label="label"))
    assert [corpus.task.labels[i] for i in corpus.labels()] == ["pos", "neg", "neg", "pos"]
    with pytest.raises(SteepError, match="several parts .*train"):
        read_table(tmp_path / "set", TableArgs())


def test_a_saved_data_set_of_several_labels(tmp_path):
    names = datasets.ClassLabel(names=["a", "b", "c"])
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.List(names)})
    data = {"text": list("wxyz"), "label": [[0, 2], [], [1], [2]]}
    table = datasets.Dataset.from_dict(data, features).select([1, 0, 2, 3])
    table.save_to_disk(str(tmp_path / "set"))
    corpus = read_table(tmp_path / "set", make(TableArgs, label="label"))
    assert corpus.labels().tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_a_folder_by_class(write, tmp_path):
    for name in ("pos/b", "neg/a", "pos/a"):
        write(f"films/{name}.txt", f"{name}\nsecond line\n")
    write("films/readme.txt", "not a film")
    corpus = read_table(tmp_path / "films", make(TableArgs, label="label"))
    assert list(corpus.table["id"]) == ["neg/a.txt", "pos/a.txt", "pos/b.txt"]
    assert corpus.labels().tolist() == [0, 1, 1]
    assert texts(corpus)[0] == "neg/a\nsecond line\n"
    assert any("1 text files outside" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("auto", ["one\ntwo", "three"]),
        ("paragraph", ["one\ntwo", "three"]),
        ("line", ["one", "two", "three"]),
        ("file", ["one\r\ntwo\r\n \r\n\r\nthree"]),
    ],
)
def test_units_of_plain_text(write, unit, expected):
    path = write("t.txt", "one\r\ntwo\r\n \r\n\r\nthree")
    assert texts(read_table(path, make(TableArgs, unit=unit))) == expected


def test_a_blank_line_is_a_document_without_a_text(write):
    path = write("t.txt", "one\n\n \ntwo\n")
    corpus = read_table(path, make(TableArgs, unit="line"))
    assert corpus.rows().tolist() == [0, 3] and list(corpus.table["id"]) == ["t.txt:1", "t.txt:4"]
    assert "t.txt: 2 of 4 rows have no text: dropped" in corpus.notes
    kept = read_table(path, make(TableArgs, unit="line"), keep_empty=True)
    assert texts(kept) == ["one", "", " ", "two"]


def test_without_blank_lines_a_line_is_a_document(write):
    corpus = read_table(write("t.txt", "one\ntwo\n"), TableArgs())
    assert texts(corpus) == ["one", "two"]
    assert "t.txt: one document a line (--unit)" in corpus.notes


MANY = "some words of a line\n" * 15_000  # more than the choice is made from
LATE = [
    (MANY + "\none\n\ntwo\n", "blank lines part its text into 3 paragraphs.* --unit paragraph"),
    ("a\n\n" + MANY, "its longest paragraph has 15,000 lines.* --unit line"),
]


@pytest.mark.parametrize(("content", "told"), LATE)
def test_a_unit_that_the_rest_of_a_file_speaks_against_is_told(write, content, told):
    path = write("t.txt", content)
    assert any(re.search(told, note) for note in read_table(path, TableArgs()).notes)
    for unit in ("line", "paragraph"):
        notes = read_table(path, make(TableArgs, unit=unit)).notes
        assert not any(re.search(told, note) for note in notes)


BROKEN = [
    ("t.csv", "", ["empty"]),
    ("t.csv", "text,label\n", ["no row with a text", "0 rows"]),
    ("t.csv", "text,label\n" + "a,b\n" * 16 + "a,b,c\n", ["row 17 (line 18)", "3 cells", "2"]),
    ("t.csv", 'text,label\na,b\n"open,c\nd,e\n', ["row 2", "quote"]),
    ("t.csv", "text,label\ngrün,1\n".encode("latin-1"), ["byte 13", "line 2", "iconv -f latin1"]),
    ("t.csv", "text,label\na,1\n".encode("utf-16"), ["UTF-16", "iconv -f utf-16"]),
    ("t.csv", b"PK\x03\x04\0\0\0binary", ["binary"]),
    ("t.csv", "text,text\na,b\n", ["'text' twice"]),
    ("t.csv", "txt,label\na,1\n", ["no column 'text'", "'txt', 'label'", "Did you mean 'txt'"]),
    ("t.csv", "Some sentence,27\nAnother,3\n", ["looks like data", "header line"]),
    ("t.jsonl", '{"text": "a"}\n{"text": \n', ["row 2 (line 2)", "not valid JSON"]),
    ("t.jsonl", '{"text": "a"}\n["b"]\n', ["row 2", "JSON object"]),
    ("t.jsonl", '{"text": {"deep": 1}}', ["row 1", "'text'"]),
    ("t.jsonl", '{"text": "\\ud800"}', ["row 1", "surrogate"]),
    ("t.jsonl", '{"text": ["a"]}', ["'text'", "lists"]),
    ("t.parquet", "text", ["not a Parquet file"]),
    ("t.txt", '{"text": "a"}\n', ["JSON lines", "t.jsonl"]),
    ("t.docx", "text", ["what kind of file", ".csv"]),
]


@pytest.mark.parametrize(("name", "content", "words"), BROKEN)
def test_a_broken_file_is_explained(write, name, content, words):
    path = write(name, content)
    with pytest.raises(SteepError) as raised:
        read_table(path, TableArgs())
    for word in [str(path), *words]:
        assert word in str(raised.value)


def test_a_damaged_archive_is_explained(write, tmp_path):
    whole = write(
        "t.csv.gz", as_csv([("text",), *[(str(i) * 50,) for i in range(999)]])
    ).read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.csv.gz").write_bytes(b"text\na\n")
    for name in ("cut.csv.gz", "no.csv.gz"):
        with pytest.raises(SteepError, match=f"{name}: the compressed file is damaged"):
            read_table(tmp_path / name, TableArgs())


def test_a_missing_file_is_not_looked_for_on_the_hub(tmp_path):
    for name in ("none.csv", "none", "a/b/c"):
        with pytest.raises(SteepError, match="there is no such file or folder"):
            read_table(tmp_path / name, TableArgs())


def test_what_may_be_a_name_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    names = ["hub:imdb", "owner/name", "owner/name#test", "data/reviews", "name", "a/b/c"]
    known = [records.is_hub_name(Path(name)) for name in names]
    assert known == [True, True, True, False, False, False]


def test_a_data_set_with_a_script_is_explained(tmp_path, monkeypatch):
    """`datasets` runs no scripts any more, and says so with a RuntimeError."""
    (tmp_path / "scripted").mkdir()
    (tmp_path / "scripted" / "scripted.py").write_text("import datasets")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SteepError, match="scripts are no longer supported"):
        read_table("hub:scripted", TableArgs())


def test_a_data_set_that_the_hub_does_not_give(monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(SteepError, match="owner/none: there is no such file here, and .* reach"):
        read_table(Path("owner/none"), TableArgs())


@pytest.mark.parametrize("name", ["hub:", "hub:/", "hub:#test", "hub: "])
def test_a_name_on_the_hub_that_is_empty(name):
    with pytest.raises(SteepError, match="names no data set; expected hub:owner/name"):
        records.open_hub(Path(name))


def test_a_part_of_a_data_set_on_the_hub(monkeypatch):
    asked = []

    def load(name, split):
        asked.append((name, split))
        return datasets.Dataset.from_dict({"text": ["one", "two"]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert texts(read_table(Path("hub:owner/name#test"), TableArgs())) == ["one", "two"]
    assert asked == [("owner/name", "test")]


def test_rare_line_separators_stay_inside_a_cell(write):
    path = write("t.csv", "text,n\na\u2028b\x0bc\x85d,1\ne,2\n")
    assert texts(read_table(path, TableArgs())) == ["a\u2028b\x0bc\x85d", "e"]


def test_a_row_longer_than_the_sample(write):
    rows = [("text", "n"), ("long, " * 100_000, "1"), ("short", "2")]
    corpus = read_table(write("t.csv", as_csv(rows)), TableArgs())
    assert [len(text) for text in texts(corpus)] == [600_000, 5]


@pytest.mark.parametrize("unit", ["auto", "line"])
def test_a_folder_of_text_files(write, tmp_path, unit):
    write("pile/a.txt", "one\ntwo\n")
    write("pile/deep/b.txt.gz", "three\n")
    write("pile/.hidden/c.txt", "no")
    corpus = read_table(tmp_path / "pile", make(TableArgs, unit=unit))
    expected = ["one\ntwo\n", "three\n"] if unit == "auto" else ["one", "two", "three"]
    assert texts(corpus) == expected


def test_real_tables(shared_data):
    queries = read_table(shared_data / "banking77" / "train.csv", make(TableArgs, label="category"))
    assert (len(queries), len(queries.task.labels)) == (10_003, 77)
    columns = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    args = make(TableArgs, text="comment_text", label=columns)
    comments = read_table(shared_data / "jigsaw2018" / "multilabel_first3000.csv.gz", args)
    assert comments.labels().sum(axis=0).tolist() == [307, 38, 167, 14, 164, 32]
    with pytest.raises(SteepError, match="add a header line"):
        read_table(shared_data / "goemotions" / "original_dev.tsv", make(TableArgs, label="label"))


def test_links_and_files_of_other_kinds_in_a_folder_by_class(write, tmp_path):
    """A class may be a link to a folder elsewhere, and one of pages is not lost in silence."""
    for i in range(12):
        write(f"films/{'ab'[i % 2]}/{i}.txt", f"film {i}")
        write(f"elsewhere/{i}.txt", f"music {i}")
        write(f"films/d/{i}.html", "<p>page")
    (tmp_path / "films" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "films")  # no end of it
    found = read_table(tmp_path / "films", make(TableArgs, label="label"))
    assert found.task.labels == ("a", "b", "c")
    assert len(found) == 24
    assert any("12 files of other kinds not read (d/0.html, " in note for note in found.notes)


@pytest.mark.parametrize(("unit", "count"), [("auto", 3), ("file", 3), ("line", 6)])
def test_folders_below_a_folder_of_unlabelled_text_are_no_classes(write, tmp_path, unit, count):
    for name in ("austen/a", "dickens/b", "shared"):
        write(f"books/{name}.txt", f"One {name}.\nTwo {name}.")
    found = read_texts([tmp_path / "books"], ColumnArgs(unit=unit))
    assert len(found) == count


def test_parquet_of_datasets_keeps_its_class_names(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    rows = {"text": ["one", "two", "three"], "label": [1, 0, 1]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "t.parquet")
    corpus = read_table(tmp_path / "t.parquet", make(TableArgs, label="label"))
    assert [corpus.task.labels[i] for i in corpus.labels()] == ["pos", "neg", "pos"]


def test_arrays_of_pandas_are_lists_of_texts():
    """`.array` and, with text columns of Arrow, `.values` are neither NumPy's nor sequences."""
    column = pd.Series(["one", "two"], dtype="string")
    for given in (column, column.array, column.values, pd.Index(column), column.to_numpy()):
        assert is_texts(given)
        assert listed(given) == ["one", "two"]
    assert not is_texts("one")
