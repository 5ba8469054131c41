"""Do the attributions of tokens sum to the change of the logit, each in its place?"""

from pathlib import Path

import datasets
import numpy as np
import pytest

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.models.checkpoints import load_tokenizer
from steep.shelf.explain.attribution import words_of

pytest.importorskip("captum", reason="needs the extra 'understand'")

import torch

from steep.models.checkpoints import load_classifier
from steep.models.heads import Classifier
from steep.shelf.explain.attribution import integrated_gradients

TASK = Task("single", ("negative", "positive"))


@pytest.fixture
def classifier(tiny_bert: Path) -> Classifier:
    """The tiny BERT with larger weights, so that its answers depend on the words."""
    model = load_classifier(tiny_bert, TASK, "eager", seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.ndim == 2 else 1)
    return Classifier(model, autocast=None).eval()


def inputs(tiny_bert: Path, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask, and the ids with the text masked."""
    tokenizer = load_tokenizer(tiny_bert)
    ids = np.array(tokenizer(text)["input_ids"])
    masked = ids.copy()
    masked[1:-1] = tokenizer.mask_token_id
    return np.stack([ids, np.ones_like(ids)]), masked


@pytest.mark.parametrize("target", [0, 1])
def test_attributions_sum_to_the_difference(
    classifier: Classifier, tiny_bert: Path, target: int
) -> None:
    given, masked = inputs(tiny_bert, "the film is a good and charming story , never dull")
    with torch.inference_mode():
        ends = [
            float(classifier(torch.from_numpy(np.stack([ids, given[1]])[None]))[0, target])
            for ids in (given[0], masked)
        ]
    found = integrated_gradients(classifier, given, masked, target, n_steps=200)
    assert (found.score, found.baseline) == pytest.approx(ends, abs=1e-5)
    change = ends[0] - ends[1]
    assert abs(change) > 0.05
    assert found.tokens.sum() == pytest.approx(change, rel=0.01)
    assert found.error == pytest.approx(found.tokens.sum() - change, abs=1e-5)
    assert found.tokens[0] == found.tokens[-1] == 0  # [CLS] and [SEP] are not masked


def test_more_steps_are_more_exact(classifier: Classifier, tiny_bert: Path) -> None:
    given, masked = inputs(tiny_bert, "a dull film with a terrible plot and a dreadful end")
    few, many = (abs(integrated_gradients(classifier, given, masked, 1, n).error) for n in (2, 100))
    assert many < few


def test_what_the_baseline_does_not_mask_has_no_attribution(
    classifier: Classifier, tiny_bert: Path
) -> None:
    given, _ = inputs(tiny_bert, "a good film")
    found = integrated_gradients(classifier, given, given[0], 1, n_steps=10)
    assert np.allclose(found.tokens, 0)
    assert found.error == pytest.approx(0)


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


def test_a_sentence_without_blanks_has_many_words() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["▁", "这部", "电影", "很", "好", "abc", "▁film", "ดี", "น", "้ำ", "<unk>"]
    inner = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], 10, True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner)
    text = "这部电影很好abc film ดีน้ำ"
    count = len(tokenizer(text)["input_ids"])
    found = words_of(text, tokenizer, np.arange(count))
    words = [text[a:b] for a, b in zip(found.begins, found.ends, strict=True)]
    assert [word for word in words if word] == [
        *("这部", "电影", "很", "好", "abc", "film", "ดี", "น้ำ")
    ]
    assert found.sums(np.ones(count)).sum() == count


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
