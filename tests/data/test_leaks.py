"""Are texts found that give a held-out row away, whole or in part, and no others?"""

import random
from pathlib import Path

import numpy as np
import pytest

from steep.args.table import ColumnArgs
from steep.data import leaks
from steep.data.corpus import Corpus
from steep.data.load import read_texts
from steep.data.words import words_in
from tests.conftest import UNSPACED, unspaced_text, written

VOCABULARY = [f"word{i}" for i in range(3000)]


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(VOCABULARY, k=count))


def corpus(tmp_path: Path, name: str, texts: list[str]) -> Corpus:
    path = tmp_path / f"{name}.txt"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return read_texts([path], ColumnArgs(unit="line"))


def found(tmp_path: Path, held: list[str], texts: list[str]) -> tuple[list[bool], list[bool]]:
    index = leaks.held_out([corpus(tmp_path, "held", held)])
    result = leaks.find_leaks(corpus(tmp_path, "pile", texts), index)
    return result.equal.tolist(), result.overlap.tolist()


def test_equal_texts_holders_and_parts_are_found_and_others_are_not(tmp_path: Path) -> None:
    draw = random.Random(0)
    held = [words(draw, n) for n in (20, 40, 200)]
    changed = held[1].split()
    changed[3] = "other"
    texts = [
        held[0].upper() + " ",  # equal
        f"{words(draw, 300)} {held[0]} {words(draw, 300)}",  # holds a row
        " ".join(changed),  # nearly equal
        " ".join(held[2].split()[50:90]),  # part of a row
        words(draw, 200),
        f"{held[0].rsplit(' ', 10)[0]} {words(draw, 30)}",  # half of a row
    ]
    equal, overlap = found(tmp_path, held, texts)
    assert equal == [True, False, False, False, False, False]
    assert overlap == [False, True, True, True, False, False]


def test_punctuation_and_case_do_not_hide_a_row(tmp_path: Path) -> None:
    held = "the film 's ending , though , is as good as anything that this director has done ."
    told = (
        'He said: "The film\'s ending, though, is AS good as anything that this director has done".'
    )
    assert found(tmp_path, [held], [told])[1] == [True]


def test_chinese_is_compared_sign_by_sign(tmp_path: Path) -> None:
    row = "这部电影的结尾比导演以前拍过的任何东西都好"
    assert found(tmp_path, [row], [f"他说{row}真的", "我们昨天去了河边看那只很大的白色的鸟"])[
        1
    ] == [True, False]


@pytest.mark.parametrize("language", UNSPACED)
def test_rows_are_found_where_no_blanks_part_words(tmp_path: Path, language: str) -> None:
    draw = random.Random(0)
    row, long = (unspaced_text(language, n, draw) for n in (30, 200))
    middle, near = written(words_in(long)[90:130]), written([*words_in(row)[:-1], "。"])
    others = [unspaced_text(language, n, draw) for n in (20, 60, 200)]
    texts = [others[0] + row + others[0], near, middle, *others]
    expected = [True, True, True, False, False, False]
    assert found(tmp_path, [row, long], texts)[1] == expected


def test_short_rows_are_looked_for_as_whole_texts_alone(tmp_path: Path) -> None:
    draw = random.Random(1)
    row = words(draw, 8)
    equal, overlap = found(tmp_path, [row], [row, f"{words(draw, 20)} {row}"])
    assert (equal, overlap) == ([True, False], [False, False])


def test_the_prefix_filter_loses_nothing(tmp_path: Path) -> None:
    """Against the definition, on texts whose words are few, so that sequences are shared."""
    draw, few = random.Random(2), ["a", "b", "c", "d", "e"]
    held = [" ".join(draw.choices(few, k=draw.randint(12, 30))) for _ in range(40)]
    texts = [" ".join(draw.choices(few, k=draw.randint(5, 120))) for _ in range(300)]

    def sequences(text: str) -> list[tuple[str, ...]]:
        split = text.split()
        return [tuple(split[i : i + 3]) for i in range(len(split) - 2)]

    rows = [set(sequences(text)) for text in held]
    rows = [row for row in rows if len(row) >= 10]

    def leaking(text: str) -> bool:
        own = sequences(text)
        holds = any(len(row & set(own)) >= 0.8 * len(row) for row in rows)
        part = len(own) >= 10 and any(sum(s in r for s in own) >= 0.8 * len(own) for r in rows)
        return holds or part

    expected = [leaking(text) for text in texts]
    equal, overlap = found(tmp_path, held, texts)
    assert 30 < sum(expected) < 270
    assert [e or o for e, o in zip(equal, overlap, strict=True)] == expected


def test_a_long_document_is_searched_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "PIECE", 1000)
    draw = random.Random(3)
    row, long = words(draw, 20), words(draw, 3000)
    for place in range(0, len(long), 1777):
        assert found(tmp_path, [row], [f"{long[:place]} {row} {long[place:]}"])[1] == [True]
    assert found(tmp_path, [row], [long])[1] == [False]


def test_a_row_scattered_over_a_long_document_is_no_leak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "PIECE", 1000)
    draw = random.Random(4)
    row = words(draw, 20)
    parts = [" ".join(row.split()[i : i + 3]) for i in range(18)]
    scattered = " ".join(f"{part} {words(draw, 100)}" for part in parts)
    assert found(tmp_path, [row], [scattered])[1] == [False]


def test_no_held_out_rows_find_nothing(tmp_path: Path) -> None:
    pile = corpus(tmp_path, "pile", ["one text", "another text"])
    result = leaks.find_leaks(pile, leaks.held_out([pile.take(np.array([], int))]))
    assert not result.equal.any()
    assert not result.overlap.any()
