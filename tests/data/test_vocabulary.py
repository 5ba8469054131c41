"""Are the words counted that a tokenizer knows whole?"""

from contextlib import nullcontext
from pathlib import Path

import datasets
import numpy as np
import pytest
from transformers import AutoTokenizer

from steep.data import tokens
from steep.data.corpus import Corpus
from steep.data.tokens import (
    Tokens,
    check_known,
    notes_of_unknown,
    tokenize,
    vocabulary_fit,
)
from steep.errors import SteepError


def test_whole_words_and_fertility(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts = ["the cat was very old", "the dog xyzzyq", "the film"]
    corpus = Corpus(datasets.Dataset.from_dict({"row": range(3), "text": texts}), "memory")
    count = len(tokenize(corpus, tokenizer).ids)
    found = vocabulary_fit(corpus, tokenizer, count)
    words = {*" ".join(texts).split()}
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert found["words"] == 8
    assert found["whole"] == sum(len(pieces) == 1 for pieces in ids) / 8
    assert found["tokens_a_word"] == round(count / 10, 3)


def test_characters_are_words_where_no_blanks_part_them(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    corpus = Corpus(datasets.Dataset.from_dict({"row": [0], "text": ["好看 the 好"]}), "memory")
    assert vocabulary_fit(corpus, tokenizer, 4) == {"tokens_a_word": 1.0, "words": 3, "whole": 1.0}


@pytest.mark.parametrize("chunk", [1000, 1], ids=["in memory", "in a file"])
def test_unknown_tokens_are_counted(
    tiny_bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(tokens, "CHUNK", chunk)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts = ["the cat", "ЖЖ Ш", "", "the Ж", "a dog ran"]
    corpus = Corpus(datasets.Dataset.from_dict({"row": range(5), "text": texts}), "memory")
    for _ in range(2):
        found = tokenize(corpus, tokenizer)
        assert (found.unknown, found.blank) == (3, 1)
    assert notes_of_unknown("training", [found, found]) == [
        "33.3% of the tokens of the training texts are unknown to the tokenizer ([UNK]); "
        "2 of 10 texts hold nothing else"
    ]


def made(unknown: int, blank: int, count: int = 100) -> Tokens:
    return Tokens(np.zeros(count, np.int32), np.array([0, count]), unknown, blank)


@pytest.mark.parametrize(
    ("columns", "said", "learns"),
    [
        ([made(9, 0)], 0, True),
        ([made(10, 0)], 1, True),
        ([made(1, 1)], 1, True),
        ([made(100, 1)], 1, False),
        ([made(100, 1), made(0, 0, 1)], 1, True),
        ([made(0, 0, 0)], 0, False),
    ],
)
def test_what_is_unknown_is_said_and_nothing_is_learnt_from_it_alone(
    tiny_bert: Path, columns: list[Tokens], said: int, learns: bool
) -> None:
    assert len(notes_of_unknown("training", columns)) == said
    with nullcontext() if learns else pytest.raises(SteepError, match="knows none of their"):
        check_known(AutoTokenizer.from_pretrained(tiny_bert), columns)
