"""Do rows that belong together stay together, and is it said where they do not, or cannot?"""

import random
import re

import numpy as np
import pytest

from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import describe, fingerprint
from steep.data.grouped_looks import asks_for_groups
from steep.data.load import load, read_table
from steep.errors import SteepError
from steep.options import make

GROUPED = make(TableArgs, label="label", group="doc")
PLAIN = make(TableArgs, label="label")
HALVES = make(SplitArgs, valid_share=0.2, test_share=0.3)


def table(write, sizes, name="t.csv", text="text {row} of {doc}", seed=0, first=0):
    draw, lines = random.Random(seed), ["id,text,label,doc"]
    for doc, size in enumerate(sizes, first):
        for row in range(size):
            said = text.format(row=row, doc=doc)
            lines.append(f"d{doc}_s{row},{said},{draw.choice('ab')},doc{doc}")
    return write(name, "\n".join(lines) + "\n")


def groups_of(data):
    return {part: set(corpus.groups()) for part, corpus in data.parts.items()}


@pytest.mark.parametrize("sizes", [[5] * 40, [1, 2, 3, 50, 4, 5] * 6, [3] * 4])
@pytest.mark.parametrize("seed", range(3))
def test_no_group_is_parted_and_no_row_lost(write, sizes, seed):
    how = make(SplitArgs, split_seed=seed)
    data = load(table(write, sizes), GROUPED, how)
    found = groups_of(data)
    assert not found["train"] & found["valid"] and not found["test"] & (
        found["train"] | found["valid"]
    )
    assert sum(map(len, data.parts.values())) == sum(sizes)
    assert all(map(len, data.parts.values()))


def test_parts_have_about_their_shares_of_rows(write):
    data = load(table(write, [1, 2, 3, 50, 4, 5, 8] * 8), GROUPED, HALVES)
    shares = np.array([len(corpus) for corpus in data.parts.values()]) / 584
    assert shares == pytest.approx([0.5, 0.2, 0.3], abs=0.05)


def test_the_seed_decides_and_without_groups_nothing_changes(write):
    path = table(write, [5] * 30)
    one, same = (load(path, GROUPED, HALVES).splits for _ in range(2))
    assert one.test.tolist() == same.test.tolist()
    other = load(path, GROUPED, make(SplitArgs, split_seed=1)).splits
    assert one.test.tolist() != other.test.tolist()
    plain = load(path, PLAIN, HALVES)
    assert "groups" not in describe(plain) and not any("groups" in n for n in plain.notes)
    single = load(path, make(TableArgs, label="label", group="id"), HALVES)
    assert single.splits.test.tolist() == plain.splits.test.tolist()
    assert any("every row is a group of its own" in note for note in single.notes)
    assert fingerprint(plain.train) != fingerprint(single.train)


def test_a_text_of_two_groups_is_in_one_part_only(write):
    whole = table(write, [6] * 30).read_text()
    data = load(write("shared.csv", re.sub(r",text 0 of \d+", ",thanks", whole)), GROUPED, HALVES)
    holders = [part for part, corpus in data.parts.items() if "thanks" in corpus.table["text"][:]]
    kept = sum(map(len, data.parts.values()))
    assert holders == ["test"] and data.splits.left_out == 180 - kept > 0
    assert any(f"{180 - kept} rows left out" in note for note in data.notes)
    assert describe(data)["groups"]["left_out"] == 180 - kept


def test_rows_that_are_left_out_are_told_with_saved_splits_too(write, tmp_path):
    lines = [f"d{i},text {i % 60},{'ab'[i % 2]},doc{i // 3}" for i in range(90)]
    path = write("t.csv", "\n".join(["id,text,label,doc", *lines]) + "\n")
    first = load(path, GROUPED, HALVES)
    assert first.splits.left_out > 0
    first.splits.save(tmp_path / "splits.json")
    again = load(path, GROUPED, make(SplitArgs, splits=tmp_path / "splits.json"))
    assert again.splits.left_out == first.splits.left_out
    told = [note for note in first.notes if "left out" in note]
    assert told and told == [note for note in again.notes if "left out" in note]


def test_what_is_known_of_the_groups(write):
    data = load(table(write, [4] * 20), GROUPED, HALVES)
    found = describe(data)["groups"]
    assert found["column"] == "doc"
    assert sum(part["groups"] for part in found["parts"].values()) == 20
    assert {part["largest"] for part in found["parts"].values()} == {4}
    assert {part["shared"] for part in found["parts"].values()} == {0}


def test_given_files_that_part_groups_are_reported(write):
    train = table(write, [4] * 10)
    test = table(write, [3] * 6, "test.csv", text="other {row} of {doc}", first=8)
    data = load(train, GROUPED, make(SplitArgs, test=test, test_share=0.0))
    said = [note for note in data.notes if "scores on them flatter" in note]
    assert said and all("of its 6 groups (doc" in note for note in said)


def test_given_splits_that_part_groups_are_reported(write, tmp_path):
    path, kept = table(write, [4] * 20), tmp_path / "splits.json"
    load(path, PLAIN, HALVES).splits.save(kept)
    data = load(path, GROUPED, make(SplitArgs, splits=kept))
    assert any("scores on them flatter" in note for note in data.notes)


@pytest.mark.parametrize(
    ("lines", "group", "words"),
    [
        (["a,x,1", "b,y,2"], "author", "no column 'author', which --group names"),
        (["a,x,1", "b,y,", "c,x, "], "doc", r"2 of 3 rows have no group \(rows 2, 3\)"),
        (
            [f"t {i},{'xy'[i % 2]},1" for i in range(20)],
            "doc",
            "all 20 rows are of one group",
        ),
        (
            [f"t {i},{'xy'[i % 3 % 2]},{i % 2}" for i in range(20)],
            "doc",
            "few different groups",
        ),
    ],
)
def test_bad_groups(write, lines, group, words):
    path = write("t.csv", "\n".join(["text,label,doc", *lines]) + "\n")
    with pytest.raises(SteepError, match=words):
        load(path, make(TableArgs, label="label", group=group), SplitArgs())


def test_groups_for_some_files_only(write):
    train = table(write, [4] * 10)
    test = write("test.csv", "text,label\nnew,a\nnewer,b\n")
    with pytest.raises(SteepError, match=r"test.csv: there is no column 'doc'.*Every file"):
        load(train, GROUPED, make(SplitArgs, test=test))


@pytest.mark.parametrize(
    ("ids", "texts", "asked"),
    [
        ("doc{d}_s{r}", "{w} or {w} with {w}", "ids such as 'doc0_s0'"),
        ("{n}", "chapter {d} once upon a time {w} was {w}", "begin like another"),
        ("{n}", "{w} and {w} to {w}", ""),
        ("review-{n}", "{w} and {w} to {w}", ""),
        ("pos_{n}", "{w} and {w} to {w}", ""),
    ],
)
def test_rows_that_look_grouped_are_asked_about(write, ids, texts, asked):
    lines, draw = ["id,text"], random.Random(0)
    for n in range(60):
        values = {"d": n // 5, "r": n % 5, "n": n}
        words = tuple(draw.randbytes(4).hex() for _ in range(texts.count("{w}")))
        text = texts.replace("{w}", "%s") % words
        lines.append(f"{ids.format(**values)},{text.format(**values)}")
    corpus = read_table(write("t.csv", "\n".join(lines) + "\n"), TableArgs())
    found = asks_for_groups(corpus)
    assert (asked in found[0] and "--group" in found[0]) if asked else not found


def test_a_report_may_ask_without_showing_text(write):
    words = "red blue green cold warm old new slow".split()
    lines = [
        f"my name is paul {words[i % 8]} {words[i // 8]} {i * 7},{'ab'[i % 2]}" for i in range(64)
    ]
    corpus = read_table(write("t.csv", "\n".join(["text,label", *lines]) + "\n"), PLAIN)
    (shown,), (plain,) = asks_for_groups(corpus), asks_for_groups(corpus, examples=False)
    assert "texts begin like another, as 'my name is paul " in shown
    assert "texts begin like another" in plain and "paul" not in plain


def test_grouped_rows_are_not_asked_about(write):
    corpus = read_table(table(write, [5] * 20), GROUPED)
    assert not asks_for_groups(corpus)
    assert asks_for_groups(read_table(table(write, [5] * 20), PLAIN))
