"""Does check count words in every script, and say where it counts characters?"""

import datasets

from steep.data.corpus import Corpus
from steep.stages.check import _in_words, _length


def corpus(texts: list[str]) -> Corpus:
    return Corpus(datasets.Dataset.from_dict({"row": range(len(texts)), "text": texts}), "memory")


def test_characters_are_counted_where_no_blanks_part_words() -> None:
    found = _in_words(corpus(["a good film .", "这部电影，好", "หนังดี 2", ""]))
    assert found | {"mean": 3.2, "longest": 5, "total": 13, "unspaced": 2} == found
    told = _length(found, "words")
    assert told.startswith("length in words (in 2 texts each character is one): mean 3.2")
    assert _length(_in_words(corpus(["a good film ."])), "words").startswith("length in words: ")
