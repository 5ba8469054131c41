"""Does text that step 2 cannot learn from get one clear sentence, and leave nothing behind?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from steep.data.splits import load_splits

Steep = Callable[..., Any]
BAD = {
    "an empty file": (b"", "the file is empty"),
    "blanks alone": (b" \n\n\t\n", "the file is empty"),
    "a binary file": (bytes(range(256)) * 40, "text"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_without_text(
    steep: Steep, tiny_bert: Path, tiny: str, tmp_path: Path, kind: str
) -> None:
    content, told = BAD[kind]
    file, out = tmp_path / "corpus.txt", tmp_path / "adapted"
    file.write_bytes(content)
    said = steep("adapt", file, "--model", tiny_bert, tiny, "--out", out, code=2).output
    assert "corpus.txt" in said
    assert told in said
    assert not list(tmp_path.glob("*adapted*"))


def test_documents_of_one_word_are_learnt_from_all_the_same(
    steep: Steep, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    file, out = tmp_path / "words.txt", tmp_path / "adapted"
    file.write_text("\n".join(["the", "cat", "dog", "road"] * 20))
    how = "--unit line --valid-share 0 --test-share 0 --epochs 1"
    shown = steep("adapt", file, how, "--model", tiny_bert, tiny, "--out", out).stderr
    assert "masked loss on held-out text" in shown


def test_a_corpus_that_is_wholly_held_out_text(
    steep: Steep, tables: Path, adapted: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    table = pd.read_csv(tables / "single.csv")
    parts = load_splits(adapted / "splits.json").parts
    held = table.iloc[[*parts["valid"], *parts["test"]]]["text"]
    file, out = tmp_path / "held.txt", tmp_path / "adapted"
    file.write_text("\n".join(held))
    words = (tables / "single.csv", file, "--label label --unit line --model", tiny_bert, tiny)
    said = steep("adapt", *words, "--out", out, code=2).output
    assert "held.txt: nothing is left of it" in said
    assert not out.exists()


def test_a_tokenizer_of_another_model(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    small, out = tmp_path / "small", tmp_path / "adapted"
    config = BertConfig.from_pretrained(tiny_bert, vocab_size=20)
    BertForMaskedLM(config).save_pretrained(small)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(small)
    words = (tables / "single.csv", "--label label --model", small, tiny)
    said = steep("adapt", *words, "--out", out, code=2).output
    assert "its tokenizer numbers tokens up to" in said
    assert not out.exists()
