"""Do the parts partition the rows, alike in labels, the same for a seed, no text in two?"""

import json
import random

import numpy as np
import pytest

from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import describe
from steep.data.load import load, read_table
from steep.data.splits import load_splits, split_rows
from steep.errors import SteepError
from steep.options import change, make

LABEL = make(TableArgs, label="label")


def corpus_of(write, rows, name="t.csv", header="text,label"):
    path = write(name, "\n".join([header, *rows]) + "\n")
    return read_table(path, make(TableArgs, label=header.partition(",")[2]))


def labelled(write, count=400, classes="aaaabbc", name="t.csv", seed=0):
    draw = random.Random(seed)
    return corpus_of(write, [f"text {i},{draw.choice(classes)}" for i in range(count)], name)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("valid", "test"), [(0.1, 0.2), (0.25, 0.0), (0.0, 0.3), (0.45, 0.5)])
def test_parts_partition_the_rows_and_have_their_shares(write, seed, valid, test):
    corpus = labelled(write, seed=seed)
    how = make(SplitArgs, valid_share=valid, test_share=test, split_seed=seed)
    splits = split_rows(corpus, how)
    rows = np.concatenate(list(splits.parts.values()))
    assert sorted(rows) == corpus.rows().tolist()
    assert (len(splits.valid), test and len(splits.test)) == (400 * valid, 400 * test)
    assert (splits.test is None) == (test == 0)


def test_every_class_has_its_share_in_every_part(write):
    corpus = labelled(write, 1000)
    splits = split_rows(corpus, SplitArgs())
    counts = np.bincount(corpus.labels())
    for part, share in (("valid", 0.1), ("test", 0.2)):
        found = np.bincount(corpus.labels()[splits.parts[part]], minlength=3)
        assert np.abs(found - counts * share).max() <= 2


def test_combinations_of_labels_have_their_share(write):
    rows = [f"text {i},{int(i % 10 == 0)},{int(i % 2)}" for i in range(500)]
    corpus = corpus_of(write, rows, header="text,a,b")
    splits = split_rows(corpus, SplitArgs())
    assert corpus.labels()[splits.test].mean(axis=0) == pytest.approx([0.1, 0.5], abs=0.01)


def test_a_quantity_is_spread_over_the_parts(write):
    corpus = corpus_of(write, [f"text {i},{(i / 500) ** 3}" for i in range(500)])
    splits = split_rows(corpus, SplitArgs())
    means = [corpus.labels()[rows].mean() for rows in splits.parts.values()]
    assert max(means) - min(means) < 0.03


def test_the_seed_decides(write):
    corpus = labelled(write)
    one, same, other = (split_rows(corpus, make(SplitArgs, split_seed=s)) for s in (1, 1, 2))
    assert one.test.tolist() == same.test.tolist()
    assert one.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_same_text_is_in_one_part_only(write, seed):
    draw = random.Random(seed)
    texts = [draw.choice([f"Text  {i}", f"text {i}", f"TEXT {i} "]) for i in range(60)]
    rows = [f"{draw.choice(texts)},{draw.choice('xy')}" for _ in range(300)]
    corpus = corpus_of(write, rows)
    seen: dict[str, str] = {}
    numbers = {row: at for at, row in enumerate(corpus.rows().tolist())}
    for part, chosen in split_rows(corpus, make(SplitArgs, split_seed=seed)).parts.items():
        for row in chosen.tolist():
            text = " ".join(corpus.table[numbers[row]]["text"].lower().split())
            assert seen.setdefault(text, part) == part
    assert set(seen.values()) == {"train", "valid", "test"}


def test_a_rare_class_is_trained_on_and_noted(write):
    rows = [f"text {i},common" for i in range(50)] + ["odd,rare", "more,usual", "yet,usual"]
    corpus = corpus_of(write, rows)
    for seed in range(20):
        splits = split_rows(corpus, make(SplitArgs, split_seed=seed))
        assert 50 in splits.train
        assert any(note.startswith("test: no row of") and "rare" in note for note in splits.notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"valid_share": 0.5, "test_share": 0.5}, "below 1"),
        ({"test_share": -0.1}, "test_share must be"),
        ({"valid_share": 1.0}, "valid_share must be"),
        ({"valid_share": 0.001, "test_share": 0.0}, "no rows are left for valid"),
    ],
)
def test_impossible_shares(write, options, words):
    with pytest.raises(SteepError, match=words):
        split_rows(labelled(write, 40), make(SplitArgs, **options))


def test_two_rows_are_too_few(write):
    with pytest.raises(SteepError, match="too few"):
        split_rows(corpus_of(write, ["one,a", "two,b"]), SplitArgs())


def test_splits_come_back_from_their_file(write, tmp_path):
    splits = split_rows(labelled(write), SplitArgs())
    splits.save(tmp_path / "splits.json")
    back = load_splits(tmp_path / "splits.json")
    for part, rows in splits.parts.items():
        assert back.parts[part].tolist() == rows.tolist()
    assert (back.origins, back.seed) == (splits.origins, 0)


def test_saved_splits_are_used_and_need_their_own_file(write, tmp_path):
    path = labelled(write) and tmp_path / "t.csv"
    first = load(path, LABEL, make(SplitArgs, split_seed=7))
    first.splits.save(tmp_path / "splits.json")
    alike = make(SplitArgs, splits=tmp_path / "splits.json")
    again = load(path, LABEL, alike)
    assert again.test.rows().tolist() == first.test.rows().tolist()
    labelled(write, 399, name="u.csv")
    with pytest.raises(SteepError, match="u.csv: its rows or texts are not those of 't.csv'"):
        load(tmp_path / "u.csv", LABEL, alike)
    with pytest.raises(SteepError, match="--test"):
        load(path, LABEL, change(alike, {"test": tmp_path / "u.csv"}))


PART = '{"file": "t.csv", "fingerprint": "ab", "rows": [%s]}'
PARTS = '{"seed": 0, "train": %s, "valid": %s}'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}", "the key 'seed' is missing"),
        ("[]", "the content must be an object, not a list"),
        ('{"seed": 0, "train": 1}', "the key 'train' must be an object, not 1"),
        ("no json", "not valid JSON"),
        (PARTS % (PART % "0, 1.5", PART % "2"), "'train.rows' must hold row numbers.* not 1.5"),
        (PARTS % (PART % "0, true", PART % "2"), "'train.rows' must hold row numbers.* not true"),
        (PARTS % (PART % "0", PART % "-2"), "'valid.rows' must hold row numbers.* not -2"),
        (PARTS % (PART % "0", PART % ("9" * 30)), "'valid.rows' must hold row numbers"),
        (PARTS % (PART % "0, 7", PART % "7, 8"), "row 7 is both a train and a valid row"),
        (PARTS % (PART % "", PART % "7, 8"), "'train.rows' is empty"),
    ],
)
def test_a_broken_splits_file_is_explained(write, content, told):
    path = write("splits.json", content)
    with pytest.raises(SteepError, match=rf"splits\.json: .*{told}"):
        load_splits(path)


def test_rows_may_be_moved_by_hand_but_not_invented(write, tmp_path):
    path = labelled(write) and tmp_path / "t.csv"
    load(path, LABEL, SplitArgs()).splits.save(tmp_path / "splits.json")
    content = json.loads((tmp_path / "splits.json").read_text())
    content["test"]["rows"].append(moved := content["train"]["rows"].pop())
    alike = make(SplitArgs, splits=write("splits.json", json.dumps(content)))
    assert moved in load(path, LABEL, alike).test.rows()
    content["test"]["rows"].append(400)
    write("splits.json", json.dumps(content))
    with pytest.raises(SteepError, match=r"t\.csv: has no row 400 .* name 1 such test rows"):
        load(path, LABEL, alike)


def test_the_splits_of_step_2_serve_with_a_test_file_of_their_own(write, tmp_path):
    """Without labels other rows would be drawn, and step 2 would have read rows of validation."""
    path = labelled(write) and tmp_path / "t.csv"
    labelled(write, 50, name="te.csv", seed=1)
    labelled(write, 60, name="other.csv", seed=2)
    how = make(SplitArgs, test=tmp_path / "te.csv")
    first = load(path, TableArgs(), how)
    first.splits.save(tmp_path / "splits.json")
    again = load(path, LABEL, how, tmp_path / "splits.json")
    assert again.valid.rows().tolist() == first.valid.rows().tolist()
    assert len(again.test) == 50
    for args in ({}, {"test": tmp_path / "other.csv"}):  # not the files that they were drawn from
        anew = load(path, LABEL, make(SplitArgs, **args), tmp_path / "splits.json")
        assert anew.valid.rows().tolist() != first.valid.rows().tolist()


def test_files_of_their_own(write, tmp_path):
    labelled(write, 100)
    labelled(write, 20, name="v.csv", seed=1)
    write("w.csv", "text,label\nnew,a\ntext 5 ,b\n")
    how = make(SplitArgs, valid=tmp_path / "v.csv", test=tmp_path / "w.csv")
    data = load(tmp_path / "t.csv", LABEL, how)
    assert [len(part) for part in data.parts.values()] == [100, 20, 2]
    assert data.test.task == data.task
    told = "train: 20 of 100 rows copy held-out rows (20 equal; rows 1 = valid 1, 2 = valid 2"
    assert any(note.startswith(told) for note in data.notes)
    assert "valid: 1 of 20 rows copy test rows (1 equal; rows 6 = test 2)" in data.notes
    data.splits.save(tmp_path / "splits.json")
    content = json.loads((tmp_path / "splits.json").read_text())
    assert [content[part]["file"] for part in data.parts] == ["t.csv", "v.csv", "w.csv"]
    with pytest.raises(SteepError, match=r"Give that file \(--valid\)"):
        load(tmp_path / "t.csv", LABEL, make(SplitArgs, splits=tmp_path / "splits.json"))


def test_files_of_one_name_in_other_folders_are_told_apart(write, tmp_path):
    labelled(write)
    other = tmp_path / "other"
    other.mkdir()
    (other / "t.csv").write_text("text,label\none,a\ntwo,b\n")
    how = make(SplitArgs, test=other / "t.csv")
    found = describe(load(tmp_path / "t.csv", LABEL, how))["files"]
    assert [(file["name"], file["rows"]) for file in found] == [("t.csv", 400), ("t.csv", 2)]


def test_without_labels(write, tmp_path):
    write("t.txt", "\n".join(f"line {i}" for i in range(50)))
    data = load(tmp_path / "t.txt", TableArgs(), SplitArgs())
    assert data.task is None
    assert [len(part) for part in data.parts.values()] == [35, 5, 10]


def test_a_folder_by_class_needs_no_label(write, tmp_path):
    for i in range(20):
        write(f"films/{'np'[i % 2]}/{i}.txt", f"film {i}")
    data = load(tmp_path / "films", TableArgs(), SplitArgs())
    assert data.task.labels == ("n", "p")
