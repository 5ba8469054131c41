"""Do copies of a text have the same words, however they are written, and other texts others?"""

import pytest

from steep.data.words import plain_key, plain_words

TEXT = "It's a \"well-made\" film, isn't it? 10.5 of 12 & more."


def key(text: str) -> str:
    return plain_key((text,), (plain_words(text),))


@pytest.mark.parametrize(
    "copy",
    [
        TEXT.upper(),
        TEXT.replace(" ", "\u00a0"),
        TEXT.replace(" ", "&nbsp;"),
        TEXT.replace(" ", "&amp;nbsp;"),
        TEXT.replace(" ", "  \n\t"),
        TEXT.replace("'", "&#39;").replace('"', "&quot;").replace("&", "&amp;"),
        TEXT.replace("'", "’").replace('"', "“"),
        TEXT.replace("l", "l\u00ad").replace("i", "i\u200b").replace("m", "\ufeffm\u200d"),
        TEXT.replace("l", "l&shy;"),
        TEXT.replace("fi", "ﬁ"),
        "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in TEXT),
        TEXT.replace("'", "").replace("-", " "),
        f"<p>{TEXT[:-1]}</p><br />",
        f"_{TEXT}_ !!",
    ],
)
def test_what_writing_adds_does_not_matter(copy):
    assert copy != TEXT
    assert key(copy) == key(TEXT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.5 apples", "15 apples"),
        (":-)", ":-("),
        ("a < b", "a > c"),
        ("naïve", "native"),
        ("", "?"),
    ],
)
def test_other_texts_stay_apart(one, other):
    assert key(one) != key(other)


def test_the_texts_of_a_pair_stay_apart():
    keys = {plain_key(pair, tuple(map(plain_words, pair))) for pair in (("a b", "c"), ("a", "b c"))}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Die GRÖSSE, die Größe", ["die", "grösse", "die", "grösse"]),
        ("我们&nbsp;去", ["我", "们", "去"]),
        ("हिन्\u200dदी में", ["हिन्दी", "में"]),
        ("a&b <b>c</b> x<y", ["a", "b", "c", "x", "y"]),
    ],
)
def test_words_of_all_scripts(text, words):
    assert plain_words(text) == words
