"""Are texts found that give a held-out row away, whole or in part, and no others?"""

import random
import tracemalloc

import numpy as np
import pytest

from steep.data import leaks
from steep.data.corpus import corpus_of
from steep.data.leaks import EQUAL, HOLDS, NEAR, NONE, PART, rows_of, texts_of
from steep.data.shingles import stand_in
from steep.data.words import words_in
from tests.conftest import UNSPACED, unspaced_text, written

VOCABULARY = [f"word{i}" for i in range(3000)]


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(VOCABULARY, k=count))


def kinds(held: list[str], texts: list[str]) -> list[int]:
    """The kind of each text's leak, of texts in memory."""
    index = leaks.held_out(texts_of([corpus_of(held, False)]))
    return leaks.find_leaks(rows_of(corpus_of(texts, False)), index).kind.tolist()


def test_every_kind_is_found_and_other_texts_are_not() -> None:
    draw = random.Random(0)
    held = [words(draw, n) for n in (20, 40, 200)]
    changed = held[1].split()
    changed[3] = changed[13] = changed[14] = changed[30] = "other"
    texts = [
        held[0].upper() + " .",
        f"{words(draw, 300)} {held[0]} {words(draw, 300)}",
        " ".join(changed),
        " ".join(held[2].split()[50:90]),
        words(draw, 200),
        f"{held[0].rsplit(' ', 10)[0]} {words(draw, 30)}",  # half of a row
    ]
    assert kinds(held, texts) == [EQUAL, HOLDS, NEAR, PART, NONE, NONE]


def test_punctuation_and_case_do_not_hide_a_row() -> None:
    held = "the film 's ending , though , is as good as anything that this director has done ."
    told = (
        'He said: "The film\'s ending, though, is AS good as anything that this director has done".'
    )
    assert kinds([held], [told]) == [NEAR]


def test_chinese_is_compared_sign_by_sign() -> None:
    row = "这部电影的结尾比导演以前拍过的任何东西都好"
    texts = [f"{row}。", f"他说{row}真的", "我们昨天去了河边看那只很大的白色的鸟"]
    assert kinds([row], texts) == [EQUAL, NEAR, NONE]


@pytest.mark.parametrize("language", UNSPACED)
def test_rows_are_found_where_no_blanks_part_words(language: str) -> None:
    draw = random.Random(0)
    row, long = (unspaced_text(language, n, draw) for n in (30, 200))
    middle, near = written(words_in(long)[90:130]), written([*words_in(row)[:-1], "。"])
    others = [unspaced_text(language, n, draw) for n in (20, 60, 200)]
    texts = [others[0] + row + others[0], near, middle, *others]
    assert kinds([row, long], texts) == [HOLDS, NEAR, PART, NONE, NONE, NONE]


def test_short_rows_are_held_whole_by_texts_that_are_not_much_longer() -> None:
    draw = random.Random(1)
    row = words(draw, 8)
    changed = row.replace(row.split()[4], "other")
    short, long = (f"{words(draw, n)} {row}" for n in (20, 60))
    texts = [f"{row} !", short, long, changed, row.rsplit(" ", 1)[0]]
    assert kinds([row], texts) == [EQUAL, HOLDS, NONE, NONE, NONE]
    few = words(draw, 4)
    assert kinds([few], [few, f"{few} word1", f"{few}."]) == [EQUAL, NONE, EQUAL]


def test_what_many_rows_have_in_common_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "STOCK", 10)
    draw = random.Random(2)
    stock = words(draw, 12)
    held = [f"{stock} {words(draw, 6)}" for _ in range(30)]
    assert kinds(held, [f"{stock} {words(draw, 6)}", held[7] + " more"]) == [NONE, NEAR]


def test_no_pair_of_texts_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the definition, on texts whose words are few, so that sequences are shared."""
    monkeypatch.setattr(leaks, "TRIES", 1000)
    draw, few = random.Random(2), ["a", "b", "c", "d", "e"]
    held = [" ".join(draw.choices(few, k=draw.randint(12, 40))) for _ in range(40)]
    texts = []
    for row in held * 5:
        copy = [word if draw.random() < 0.9 else "other" for word in row.split()]
        copy = copy[draw.choice([0, 0, 2, 15]) :]
        texts.append(" ".join([*draw.choices(few, k=draw.choice([0, 3, 80])), *copy]))

    def runs(text: str) -> list[tuple[str, ...]]:
        split = text.split()
        return [tuple(split[i : i + 3]) for i in range(len(split) - 2)]

    def leaking(text: str) -> bool:
        own, one, parts = runs(text), text.split(), []
        for row in held:
            other, theirs = row.split(), set(runs(row))
            if len(theirs) >= 10 and len(theirs & set(own)) >= 0.5 * len(theirs):
                least = 0.9 if len(one) > 1.5 * len(other) else 0.8
                if stand_in(other, one, least):
                    return True
            elif len(set(own)) >= 10 and sum(s in theirs for s in own) >= 0.8 * len(own):
                parts.append(other)
        return any(stand_in(one, other, 0.9) for other in parts)

    expected = [leaking(text) for text in texts]
    assert 60 < sum(expected) < 140
    assert [kind > NONE for kind in kinds(held, texts)] == expected


def test_pairs_are_copies_where_both_texts_are() -> None:
    draw = random.Random(5)
    premise, claim = words(draw, 30), words(draw, 5)
    held = leaks.held_out([rows_of(corpus_of([(premise, claim)], True))])
    rows = [
        (premise.upper(), claim + "!"),
        (premise + " word1", claim),
        (premise, words(draw, 5)),
        (words(draw, 30), claim),
    ]
    found = leaks.find_leaks(rows_of(corpus_of(rows, True)), held)
    assert found.kind.tolist() == [EQUAL, NEAR, NONE, NONE]
    texts = leaks.held_out(texts_of([corpus_of([(premise, claim)], True)]))
    found = leaks.find_leaks(rows_of(corpus_of([premise + " word1", claim], False)), texts)
    assert found.kind.tolist() == [NEAR, EQUAL]
    assert found.row.tolist() == [0, 1]


def test_a_long_document_is_searched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "PIECE", 1000)
    draw = random.Random(3)
    row, long = words(draw, 20), words(draw, 3000)
    for place in range(0, len(long), 1777):
        assert kinds([row], [f"{long[:place]} {row} {long[place:]}"]) == [HOLDS]
    assert kinds([row], [long]) == [NONE]


def test_a_row_scattered_over_a_long_document_is_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "PIECE", 1000)
    draw = random.Random(4)
    row = words(draw, 20)
    parts = [" ".join(row.split()[i : i + 3]) for i in range(18)]
    scattered = " ".join(f"{part} {words(draw, 100)}" for part in parts)
    assert kinds([row], [scattered]) == [NONE]


def test_no_held_out_rows_find_nothing() -> None:
    pile = corpus_of(["one text", "another text"], False)
    nothing = leaks.held_out([rows_of(pile.take(np.array([], int)))])
    assert not leaks.find_leaks(rows_of(pile), nothing).found.any()


def test_memory_does_not_grow_with_the_texts() -> None:
    draw = random.Random(6)
    index = leaks.held_out([rows_of(corpus_of([words(draw, 20) for _ in range(300)], False))])
    piles = [corpus_of([words(draw, 20) for _ in range(n)], False) for n in (2000, 2000, 8000)]
    peaks = []
    for pile in piles:  # the first fills what is kept between calls
        tracemalloc.start()
        leaks.find_leaks(rows_of(pile), index)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 20 * 6000  # bytes: what is told of each text
