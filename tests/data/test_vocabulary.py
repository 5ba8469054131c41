"""Are the words counted that a tokenizer knows whole?"""

from pathlib import Path

import datasets
from transformers import AutoTokenizer

from steep.data.corpus import Corpus
from steep.data.tokens import tokenize, vocabulary_fit


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
