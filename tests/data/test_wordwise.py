"""Are the tokens of a text, put together from those of its words, what the tokenizer gives?"""

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from steep.data import wordwise
from steep.data.wordwise import WordByWord, encode_texts, is_word_by_word

ODD = [
    "",
    " ",
    "a\x85b\u00a0the\x0bfilm e\u0301 \u0301x Σας [MASK]x [SEP].",
    "漢字 a\x00b \u200d",
    "\x1cz\x1d y",
]


def bert(folder: Path):  # the tokenizers.Tokenizer within
    return AutoTokenizer.from_pretrained(folder).backend_tokenizer


def test_tokens_are_those_of_the_whole_text(tiny_bert: Path, tiny_rows) -> None:
    tokenizer = bert(tiny_bert)
    texts = [*ODD, *(text for _, text, _ in tiny_rows), *ODD]
    assert is_word_by_word(tokenizer)
    found, expected = WordByWord(tokenizer)(texts), encode_texts(tokenizer, texts)
    assert found[0].tolist() == expected[0].tolist()
    assert found[1].tolist() == expected[1].tolist()


def test_few_words_are_remembered(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordwise, "KEPT", 3)
    tokenizer = bert(tiny_bert)
    texts, tokens_of = ["the cat", "a dog", "the film of a dog", "cat"], WordByWord(tokenizer)
    found = np.concatenate([tokens_of([text])[0] for text in texts])
    assert found.tolist() == encode_texts(tokenizer, texts)[0].tolist()
    assert len(tokens_of.numbers) <= 5  # those of the longest text


def test_a_token_that_holds_a_blank_needs_the_whole_text(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.add_tokens(["the film"])
    assert not is_word_by_word(tokenizer.backend_tokenizer)
