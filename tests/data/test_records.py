"""Is a DataFrame, or a data set in memory, read as a file of the same rows is?"""

import datasets
import numpy as np
import pandas as pd
import pytest

from steep.args.pretraining import TextArgs
from steep.args.table import ColumnArgs, SplitArgs, TableArgs
from steep.data.corpus import describe, fingerprint
from steep.data.load import load, read_table, read_texts
from steep.data.readers import is_by_class, is_plain
from steep.data.step2_text import read_corpora
from steep.errors import SteepError
from steep.options import make

MANY = 2300  # rows of more than two batches
LABEL = make(TableArgs, label="label")


def rows() -> pd.DataFrame:
    """Texts, some of them missing, under other names than the defaults; a label of every kind."""
    numbers = np.arange(MANY)
    texts = [None if i % 100 == 7 else f' "Text"\n {i % 2000}, é 漢 ' for i in numbers]
    columns = {"review": texts, "reply": [f"answer {i}" for i in numbers], "key": numbers + 5}
    columns |= {"mood": np.where(numbers % 3, "good", "bad"), "stars": numbers % 5 + 1}
    columns |= {"a": numbers % 2, "b": (numbers % 7 > 4).astype(int), "tags": None}
    columns["tags"] = np.where(numbers % 2, "one|two", "three")
    columns |= {"length": numbers / 7, "counts": numbers % 4, "p": numbers / MANY}
    return pd.DataFrame(columns, index=numbers[::-1])


KINDS = {
    "single": {"label": "mood"},
    "ordered": {"label": "stars", "ordered": True},
    "multi": {"label": "a,b"},
    "delimiter": {"label": "tags", "label_delimiter": "|"},
    "regression": {"label": "length"},
    "soft": {"label": "p", "soft": True},
    "weighted pairs": {"label": "mood", "sample_weight": "counts", "pair": "reply"},
    "unlabelled": {},
}


def same(one, other) -> None:
    """Raises AssertionError unless two corpora are equal, names of their sources aside."""
    assert one.table.column_names == other.table.column_names
    assert one.table.features == other.table.features
    assert one.table.to_dict() == other.table.to_dict()
    assert one.task == other.task
    own, others = ([n.removeprefix(c.source) for n in c.notes] for c in (one, other))
    assert own == others
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_corpus(tmp_path, kind):
    frame = rows()
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = make(TableArgs, text="review", id="key", **KINDS[kind])
    expected = read_table(tmp_path / "t.csv", table)
    found = read_table(frame, table)
    assert len(found) == MANY - 23 and found.source == "DataFrame"
    assert found.rows()[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 8], "not the index"
    same(found, expected)
    held = datasets.Dataset.from_pandas(frame, preserve_index=False)
    assert read_table(held, table).source == "Dataset"
    same(read_table(held, table), expected)


VALUES = {
    "numbers": [3, 1, 2, 3],
    "fractions": [0.5, 1.0, 1.5, 1.0],
    "numbers, missing where the text is": [1, 0, None, 1],
    "numbers of pandas": pd.array([3, 1, None, 3], "Int64"),
    "bools": [True, False, None, True],
    "categories": pd.Categorical(["x", "y", None, "x"], categories=["y", "x"]),
    "categories of numbers": pd.Categorical([10, 9, 10, 10]),
    "lists": [["a", "b"], [], ["d"], ["c"]],
    "lists of numbers": [[1, 2], None, [1], [3]],
    "texts of pandas": pd.array(["x", "y", None, "x"], "string"),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_labels_of_every_type_are_those_of_a_parquet_file(tmp_path, values):
    frame = pd.DataFrame({"text": ["one", "two", None, "four"], "label": values})
    frame.to_parquet(tmp_path / "t.parquet")
    expected = read_table(tmp_path / "t.parquet", LABEL)
    same(read_table(frame, LABEL), expected)
    held = datasets.Dataset.from_parquet(str(tmp_path / "t.parquet"))
    same(read_table(held, LABEL), expected)


@pytest.mark.parametrize("empty", [None, np.nan, pd.NA, "", "NaN"])
def test_an_empty_label_is_named_with_its_row(empty):
    frame = pd.DataFrame({"text": ["one", "two", "three"], "label": ["x", empty, "y"]})
    for source in (frame, datasets.Dataset.from_pandas(frame)):
        with pytest.raises(SteepError, match=r"'label': 1 rows have no label \(rows 2\)"):
            read_table(source, LABEL)


def test_a_number_that_is_missing_is_an_empty_label():
    frame = pd.DataFrame({"text": ["one", "two", "three"], "label": [1.0, np.nan, 0.0]})
    with pytest.raises(SteepError, match="DataFrame, column 'label': 1 rows have no label"):
        read_table(frame, LABEL)


def test_a_data_set_keeps_its_class_names_and_its_order():
    names = datasets.ClassLabel(names=["neg", "pos", "odd"])
    features = {"text": datasets.Value("string"), "label": names, "all": datasets.List(names)}
    columns = {"text": list("abcd"), "label": [1, 0, 0, 1], "all": [[0], [], [1, 2], [2]]}
    whole = datasets.Dataset.from_dict(columns, datasets.Features(features))
    for held in (whole, whole.select([3, 1, 0]), whole.shuffle(seed=1), whole.with_format("numpy")):
        corpus = read_table(held, LABEL)
        expected = [names.names[i] for i in held.with_format(None)["label"]]
        assert [corpus.task.labels[i] for i in corpus.labels()] == expected
        assert list(corpus.table["text"]) == list(held["text"])
        several = read_table(held, make(TableArgs, label="all"))
        expected = [{names.names[i] for i in row} for row in held.with_format(None)["all"]]
        found = [
            {label for label, on in zip(several.task.labels, row, strict=True) if on}
            for row in several.labels()
        ]
        assert found == expected


def test_a_class_without_a_name_is_an_empty_label():
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["x", "y"])}
    columns = {"text": list("abc"), "label": [0, -1, 1]}
    with pytest.raises(SteepError, match=r"Dataset, column 'label': 1 rows have no label"):
        read_table(datasets.Dataset.from_dict(columns, datasets.Features(features)), LABEL)


@pytest.mark.parametrize("made", [pd.DataFrame, datasets.Dataset.from_dict])
def test_the_cache_holds_the_content(made, cache):
    columns = {"text": ["one", "two", "three"], "label": ["a", "b", "a"], "more": [1, 2, 3]}
    first = read_table(made(columns), LABEL)
    (stored,) = cache.rglob("*.arrow")
    before = stored.stat().st_mtime_ns
    same(read_table(made(columns), LABEL), first)
    same(read_table(made(columns | {"more": [4, 5, 6]}), LABEL), first)  # a column not read
    assert [stored] == list(cache.rglob("*.arrow")) and stored.stat().st_mtime_ns == before
    texts = read_table(made(columns | {"text": ["one", "too", "three"]}), LABEL)
    assert list(texts.table["text"]) == ["one", "too", "three"]
    labels = read_table(made(columns | {"label": ["a", "b", "b"]}), LABEL)
    assert labels.labels().tolist() == [0, 1, 1]
    assert list(first.table["text"]) == ["one", "two", "three"]


def test_a_frame_that_is_changed_in_place_is_read_anew():
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(MANY)], "label": ["a", "b"] * 1150})
    first = read_table(frame, LABEL)
    frame.loc[MANY - 1, "text"] = "text 0"
    frame.loc[0, "label"] = "b"
    found = read_table(frame, LABEL)
    assert found.table[MANY - 1]["text"] == "text 0"
    assert (found.labels()[0], first.labels()[0]) == (1, 0)


def test_the_same_columns_in_other_roles_are_another_table():
    frame = pd.DataFrame({"text": ["one", "two"], "other": ["three", "four"]})
    assert list(read_table(frame, TableArgs()).table["text"]) == ["one", "two"]
    assert list(read_table(frame, make(TableArgs, text="other")).table["text"]) == ["three", "four"]
    pairs = read_table(frame, make(TableArgs, text="other", pair="text"))
    assert list(pairs.table["pair"]) == ["one", "two"]


def both(columns):
    return [pd.DataFrame(columns), datasets.Dataset.from_dict(columns)]


BAD = [
    ({"txt": ["a"], "label": ["x"]}, "no column 'text'. The columns are 'txt', 'label'. Did you"),
    ({"text": ["a"], "lable": ["x"]}, "no column 'label'.*Did you mean 'lable'"),
    ({"text": [], "label": []}, "it has no rows"),
    ({}, "it has no rows"),
    ({"text": [None, " "], "label": ["x", "y"]}, r"no row with a text in column 'text' \(2 rows\)"),
    ({"text": [["a"], ["b"]], "label": ["x", "y"]}, "column 'text': holds lists, where texts"),
    ({"text": ["a", "b"], "label": [{"deep": 1}, {"deep": 2}]}, "column 'label'.* cannot be read"),
    ({"text": ["a", "b"], "label": ["x", "x"]}, "column 'label': every row has the label 'x'"),
]


@pytest.mark.parametrize(("columns", "told"), BAD)
def test_what_cannot_be_read_is_explained(columns, told):
    for source in both(columns):
        with pytest.raises(SteepError, match=told) as raised:
            read_table(source, LABEL)
        assert str(raised.value).startswith(type(source).__name__)


def test_what_only_a_frame_can_be_is_explained():
    twice = pd.DataFrame([["a", "b", "x"]], columns=["text", "text", "label"])
    with pytest.raises(SteepError, match="DataFrame: the header names column 'text' twice"):
        read_table(twice, LABEL)
    other = pd.DataFrame([["a", "b", "x"], ["c", "d", "y"]], columns=["text", "more", "more"])
    assert list(read_table(other, TableArgs()).table["text"]) == ["a", "c"]  # not read
    mixed = pd.DataFrame({"text": ["a", "b"], "label": [1, "x"], "odd": [object(), object()]})
    with pytest.raises(SteepError, match="column 'label', rows 1 to 2: .* of one type"):
        read_table(mixed, LABEL)
    assert len(read_table(mixed, TableArgs())) == 2
    unnamed = pd.DataFrame([["a", "x"], ["b", "y"]])
    with pytest.raises(SteepError, match="no column 'label'. The columns are '0', '1'.$"):
        read_table(unnamed, LABEL)
    assert len(read_table(unnamed, make(TableArgs, text="0", label="1"))) == 2


def test_what_is_no_source_is_refused():
    parts = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})})
    with pytest.raises(
        SteepError, match=r"DatasetDict: expected a path, .*such as data\['train'\]"
    ):
        read_table(parts, TableArgs())
    with pytest.raises(SteepError, match="list: expected a path, a pandas DataFrame or a datasets"):
        read_table([["a", "b"]], TableArgs())


def test_they_are_split_and_told_as_a_file_is(tmp_path):
    frame = rows()
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = make(TableArgs, text="review", label="mood")
    expected = load(str(tmp_path / "t.csv"), table, SplitArgs())
    expected.splits.save(tmp_path / "splits.json")
    for source in (frame, datasets.Dataset.from_pandas(frame)):
        assert not is_by_class(source) and not is_plain(source)
        found = load(source, table, SplitArgs())
        for part in expected.parts:
            same(found.parts[part], expected.parts[part])
        told, name = describe(found), type(source).__name__
        assert told["files"] == [describe(expected)["files"][0] | {"name": name}]
        again = load(source, table, make(SplitArgs, split_seed=3), like=tmp_path / "splits.json")
        assert again.test.rows().tolist() == expected.test.rows().tolist()


def test_they_are_text_of_step_2_beside_files(tmp_path):
    (tmp_path / "more.txt").write_text("a line\nanother\n")
    frame = pd.DataFrame({"body": ["three", "four"]})
    held = datasets.Dataset.from_dict({"text": ["five"], "label": [1]})
    corpus = read_texts([tmp_path / "more.txt", frame, held], ColumnArgs())
    assert list(corpus.table["text"]) == ["a line", "another", "three", "four", "five"]
    assert corpus.source == "more.txt, DataFrame, Dataset"
    assert "DataFrame: no column 'text', so 'body' is read" in corpus.notes
    table, text = make(TableArgs, text="review", label="mood"), TextArgs(file_weight=("Dataset=2",))
    for source in (rows(), [rows()]):
        data, further = read_corpora(source, [frame, held], table, SplitArgs(), text)
        assert data.task.labels == ("bad", "good")
        assert [one.source for one in further] == ["DataFrame", "Dataset"]
    data, further = read_corpora([rows(), held], [frame], table, SplitArgs(), text)
    assert [len(one) for one in further] == [1, 2]
