"""Are words found in every script, and sentences each in its document?"""

import random
import re
from itertools import permutations
from pathlib import Path

import datasets
import numpy as np
import pytest

from steep.data.corpus import Corpus
from steep.data.words import (
    has_unspaced,
    is_unspaced,
    learn_abbreviations,
    sentences_of,
    split_sentences,
    words_in,
)

APART = "letters and digits in a row"
EACH = "character by character"
FOUND = [
    ("The film's ending, v2_b: 3.5!", "The film s ending v2_b 3 5", APART),
    ("naïve Straße — “Übermut”", "naïve Straße Übermut", APART),
    ("cafe\u0301 A\u030angström", "cafe\u0301 A\u030angström", APART),
    ("हिन्दी में क्\u200dष", "हिन्दी में क्\u200dष", APART),
    ("می\u200cخواهم سَلام", "می\u200cخواهم سَلام", APART),
    ("İ".lower() + "stanbul 한국어 문장", "i\u0307stanbul 한국어 문장", APART),
    ("བོད་སྐད", "བོད སྐད", APART),
    ("❤️ 👩\u200d👩\u200d👧 \u0301x …", "x", APART),
    ("", "", APART),
    ("这部电影，很好。", "这 部 电 影 很 好", EACH),
    ("コーヒーと水々", "コ ー ヒ ー と 水 々", EACH),
    ("ｶﾞﾝﾀﾞﾑ か\u3099", "ｶﾞ ﾝ ﾀﾞ ﾑ か\u3099", EACH),
    ("บัตร น้ำ ๒๕๖๗ ไม่", "บั ต ร น้ำ ๒๕๖๗ ไ ม่", EACH),
    ("ພາສາລາວ ນ້ຳ", "ພ າ ສ າ ລ າ ວ ນ້ຳ", EACH),
    ("ភាសាខ្មែរ", "ភា សា ខ្ មែ រ", EACH),
    ("မြန်မာ ၁၂", "မြ န် မာ ၁၂", EACH),
    ("ꦗꦮ ᬩᬮᬶ ꪼꪕ", "ꦗ ꦮ ᬩ ᬮᬶ ꪼ ꪕ", EACH),
    ("𠀀𠀁b", "𠀀 𠀁 b", EACH),
    ("iPhone手机的第3章 ok", "iPhone 手 机 的 第 3 章 ok", EACH),
]


@pytest.mark.parametrize(("text", "words", "how"), FOUND)
def test_words_of_every_script(text: str, words: str, how: str) -> None:
    assert words_in(text) == words.split()
    assert has_unspaced(text) == (how == EACH)
    assert any(map(is_unspaced, words.split())) == (how == EACH)


def test_words_of_latin_text_are_what_the_pattern_finds(tiny_rows) -> None:
    texts = [text for _, text, _ in tiny_rows]
    texts += [
        "\x85a\u00a0b_\u2028c\u00adß²½",
        "Ελλάδα Россия ſt ﬁ ⅷ ª",
        "".join(map(chr, range(592))),
    ]
    assert all(words_in(text) == re.findall(r"\w+", text) for text in texts)


def corpus(texts: list[str]) -> Corpus:
    table = datasets.Dataset.from_dict({"row": list(range(len(texts))), "text": texts})
    return Corpus(table, "made.csv")


@pytest.fixture
def abbreviated() -> Corpus:
    """A text that shows by its use what an abbreviation is: "Mr." goes on, other words may end."""
    draw, words = random.Random(0), ["".join(pair) for pair in permutations("aeioklmnrst", 3)]
    lines = []
    for _ in range(2000):
        ends = [" ".join(draw.sample(words, 6)) for _ in range(3)]
        lines.append(f"Mr. {draw.choice(words).title()} {ends[0]}. {ends[1].capitalize()}.")
        lines.append(f"{ends[2].capitalize()}.")
    return corpus(lines)


def test_abbreviations_are_learnt_from_the_text(abbreviated: Corpus) -> None:
    found = sentences_of("Mr. Brown met Mr. Grey. They spoke!", learn_abbreviations(abbreviated))
    assert found == ["Mr. Brown met Mr. Grey.", "They spoke!"]
    untaught = sentences_of(
        "Mr. Brown met Mr. Grey. They spoke!", learn_abbreviations(corpus(["No text."]))
    )
    assert untaught == ["Mr.", "Brown met Mr.", "Grey.", "They spoke!"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("今天下雨。我们在家！你呢？", ["今天下雨。", "我们在家！", "你呢？"]),
        ("「走吧。」他说。", ["「走吧。」", "他说。"]),
        ("यह पहला है। यह दूसरा है।", ["यह पहला है।", "यह दूसरा है।"]),
        ("Voilà. C'est tout.", ["Voilà.", "C'est tout."]),
        ("。！？", ["。！？"]),
    ],
)
def test_sentences_of_scripts_with_other_marks(
    abbreviated: Corpus, text: str, found: list[str]
) -> None:
    assert sentences_of(text, learn_abbreviations(abbreviated)) == found


def test_signs_alone_are_no_sentence(abbreviated: Corpus) -> None:
    found = sentences_of("they find out . . . what ? ! nothing .", learn_abbreviations(abbreviated))
    assert found == ["they find out . . .", "what ? !", "nothing ."]


def test_every_sentence_is_in_its_document(abbreviated: Corpus, tmp_path: Path) -> None:
    texts = ["One. Two. Three.", " ", "Only one", "A b c? D e f."]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
        parts, documents = split_sentences(corpus(texts))
        assert documents.tolist() == [0, 3, 3, 4, 6]
        assert [text for chunk in parts.texts() for text in chunk] == [
            "One.", "Two.", "Three.", "Only one", "A b c?", "D e f."
        ]  # fmt: skip
        patch.setattr("steep.data.words.learn_abbreviations", lambda _: pytest.fail("split again"))
        again, same = split_sentences(corpus(texts))
        assert again.table[:] == parts.table[:]
        assert np.array_equal(documents, same)
