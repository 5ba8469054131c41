"""Are sub-words joined to the words that stand in the text, wherever it was cut?"""

from pathlib import Path

import datasets
import numpy as np
import pytest

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.models.checkpoints import load_tokenizer
from steep.shelf.explain.word_spans import words_of

TEXT = "  The plot, xyz abc9 : GOOD  end."


def shown(text: str, tiny_bert: Path, kept: np.ndarray) -> list[str]:
    found = words_of(text, load_tokenizer(tiny_bert), kept)
    return [text[a:b] for a, b in zip(found.begins, found.ends, strict=True)]


def test_words_are_slices_of_the_text(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    count = len(tokenizer(TEXT, add_special_tokens=False)["input_ids"])
    found = words_of(TEXT, tokenizer, np.arange(count))
    assert shown(TEXT, tiny_bert, np.arange(count)) == [
        *("The", "plot", ",", "xyz", "abc9", ":", "GOOD", "end", ".")
    ]
    assert count > len(found.begins)  # xyz and abc9 are several pieces
    sums = found.sums(np.ones(count))
    assert sums.sum() == count
    assert sums[3] == 3


def test_of_a_text_that_is_cut_only_what_is_read(tiny_bert: Path) -> None:
    count = len(load_tokenizer(tiny_bert)(TEXT, add_special_tokens=False)["input_ids"])
    kept = np.array([0, 1, count - 2, count - 1])
    assert shown(TEXT, tiny_bert, kept) == ["The", "plot", "end", "."]
    assert shown(TEXT, tiny_bert, kept[:0]) == []
    assert shown("", tiny_bert, kept[:0]) == []


@pytest.mark.parametrize("truncation", ["head", "tail", "head+tail"])
@pytest.mark.parametrize("paired", [False, True])
def test_rows_say_which_tokens_they_keep(tiny_bert: Path, truncation: str, paired: bool) -> None:
    text, other = " ".join(["film", "plot", "good", "bad"] * 6), "one two three four five " * 3
    columns = {"row": [0], "id": ["0"], "text": [text]} | ({"pair": [other]} if paired else {})
    corpus = Corpus(datasets.Dataset.from_dict(columns), "rows")
    tokenizer = load_tokenizer(tiny_bert)
    rows = Rows(corpus, Task("single", ("a", "b")), tokenizer, 16, truncation)
    ids = rows[0][0][0]
    texts = [text, other] if paired else [text]
    whole = [np.array(tokenizer(one, add_special_tokens=False)["input_ids"]) for one in texts]
    parts = [tokens[kept] for tokens, kept in zip(whole, rows.kept(0), strict=True)]
    start = 1
    for part in parts:
        assert list(ids[start : start + len(part)]) == list(part)
        start += len(part) + 1
    assert start == len(ids) == 16
