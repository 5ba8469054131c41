"""What is the same text, however it is written? Its words, without what writing adds to them.

Case, punctuation, white space (`&nbsp;` too), HTML entities and tags, characters of no width, soft
hyphens and forms of a character (Unicode's NFKC: `ﬁ`, full width) say nothing about what a text is.
What a word is says `steep.data.words`.
"""

import re
import unicodedata
from html import unescape

from steep.data.words import words_in

TAG = re.compile(r"</?[A-Za-z][^<>]*>")
# Soft hyphen, joiners, marks of direction and of byte order, variation selectors.
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
ESCAPED = 2  # times that entities may have been escaped: "&amp;nbsp;"
BETWEEN = re.compile(r"(?<!\d) | (?!\d)")  # a blank that does not part two numbers

Document = tuple[str, ...]  # a text, or the two of a pair
Words = tuple[list[str], ...]  # of each of these texts


def plain_words(text: str) -> list[str]:
    """The words of a text, less all that may differ between copies of it."""
    for _ in range(ESCAPED if "&" in text else 0):
        text = unescape(text)
    if "<" in text:
        text = TAG.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", UNSEEN.sub("", text))
    return words_in(text.casefold().replace("_", " "))


def plain_key(document: Document, words: Words) -> str:
    """What equal documents have in common: their letters and digits; of none, all they hold.

    Where words are parted is left out, but between numbers: "don't", "do n't" and "dont" are equal,
    "1.5" and "15" are not.
    """
    texts = (
        BETWEEN.sub("", " ".join(own)) if own else " ".join(text.casefold().split())
        for text, own in zip(document, words, strict=True)
    )
    return "\n".join(texts)
