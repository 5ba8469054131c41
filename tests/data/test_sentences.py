"""Are sentences found, with the abbreviations of the text itself, and each in its document?"""

import random
from itertools import permutations
from pathlib import Path

import datasets
import numpy as np
import pytest

from steep.data.corpus import Corpus
from steep.data.sentences import learn_abbreviations, sentences_of, split_sentences


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
        patch.setattr(
            "steep.data.sentences.learn_abbreviations", lambda _: pytest.fail("split again")
        )
        again, same = split_sentences(corpus(texts))
        assert again.table[:] == parts.table[:]
        assert np.array_equal(documents, same)
