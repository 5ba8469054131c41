"""Are words found in every script, and those of English as the pattern \\w+ finds them?"""

import re

import pytest

from steep.data.words import has_unspaced, is_unspaced, words_in

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
