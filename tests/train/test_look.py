"""Does the look at what was learnt say what the model guessed, and count it rightly?"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from steep import runs
from steep.options import make
from steep.train import look
from steep.train.pile import IGNORED


def guess(chances: list[float], top: list[int]) -> look.Guess:
    rows = len(chances)
    return {"chance": chances, "top": [top] * rows, "top_chance": [[0.5, 0.3, 0.1]] * rows}


def test_words_and_examples_are_those_that_changed_most(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    film, dog, sea = tokenizer.convert_tokens_to_ids(["film", "dog", "sea"])
    around = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = [[around[0], tokenizer.mask_token_id, sea, around[1]]] * 4
    inputs = torch.tensor([[row, [1, 1, 1, 1]] for row in rows])
    places, truth = torch.tensor([1, 5, 9, 13, 0]), torch.tensor([film, dog, film, dog, IGNORED])
    before = guess([-4.0, -1.0, -2.0, -1.0], [dog, sea, film])
    after = guess([-1.0, -3.0, -1.0, -2.0], [film, sea, dog])
    monkeypatch.setattr(look, "LEAST", (2,))
    found = look.compare_guesses([(inputs, places, truth)], tokenizer, before, after)
    assert (found["tokens"], found["least"], found["words"]) == (4, 2, 2)
    assert found["better"] == [{"word": "film", "times": 2, "before": -3.0, "after": -1.0}]
    assert found["worse"] == [{"word": "dog", "times": 2, "before": -1.0, "after": -2.5}]
    first, second = found["examples"]
    assert (first["text"], first["truth"]) == ("[CLS] ____ sea [SEP]", "film")
    assert [word for word, _ in first["before"]] == ["dog", "sea", "film"]
    assert [word for word, _ in first["after"]] == ["film", "sea", "dog"]
    assert second["truth"] == "dog"


def test_words_masked_too_seldom_do_not_count(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    ids = tokenizer.convert_tokens_to_ids(["film", "film", "film", "dog", "."] + ["."] * 5)
    inputs = torch.tensor([[[tokenizer.mask_token_id] * 10, [1] * 10]])
    batch = (inputs, torch.arange(10), torch.tensor(ids))
    found = look.compare_guesses(
        [batch], tokenizer, guess([-2.0] * 10, ids[:3]), guess([-1.0] * 10, ids[:3])
    )
    assert [word["word"] for word in found["better"]] == ["film"]
    assert found["least"] == 3


def test_a_part_of_a_word_is_no_word(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    film, dog, part = tokenizer.convert_tokens_to_ids(["film", "dog", "##s"])
    assert part != tokenizer.unk_token_id
    row, mask = [cls, dog, film, part, sep], tokenizer.mask_token_id
    inputs = torch.tensor([[[cls, mask, mask, mask, sep], [1] * 5]] * 3)
    places = torch.tensor([5 * n + at for n in range(3) for at in (1, 2, 3)])
    batch = (inputs, places, torch.tensor(row[1:4] * 3))
    assert (
        mask not in row and look.are_words([batch], tokenizer).tolist() == [True, False, False] * 3
    )
    same = guess([-2.0] * 9, [dog] * 3), guess([-1.0] * 9, [dog] * 3)
    found = look.compare_guesses([batch], tokenizer, *same)
    assert ([word["word"] for word in found["better"]], found["parts"]) == (["dog"], 6)


@pytest.fixture
def seen(tiny_bert: Path, tiny_csv: Path, tmp_path: Path) -> dict:
    from steep.args import AdaptArgs
    from steep.stages.adapt import adapt

    args = make(
        AdaptArgs,
        model=str(tiny_bert),
        device="cpu",
        precision="fp32",
        max_length=32,
        heldout_share=0.3,
    )
    folder = adapt(tiny_csv, out=tmp_path / "out", args=args)
    return json.loads((folder / runs.LOOK).read_text()) | {
        "loss": runs.read_json(folder / runs.RESULTS)
    }


def test_adapt_keeps_what_it_looked_at(seen: dict) -> None:
    assert seen["tokens"] == seen["loss"]["heldout_tokens"]
    assert seen["examples"]
    for example in seen["examples"]:
        assert "____" in example["text"]
        assert len(example["before"]) == len(example["after"]) == look.TOP


def test_stop_words_single_letters_and_punctuation_have_no_content() -> None:
    names = ["the", "t", "##s", ",", "film", "of", "Acting", "犬", "##ing"]
    found = look.has_content(names, np.array([9, 1, 1, 4, 1, 3, 1, 1, 1]))
    assert [name for name, kept in zip(names, found, strict=True) if kept] == [
        "film", "Acting", "犬", "##ing"
    ]  # fmt: skip


def test_only_an_english_corpus_has_english_stop_words() -> None:
    names = ["so", "der", "Hund", "a"]
    found = look.has_content(names, np.array([1, 9, 4, 1]))
    assert found.tolist() == [True, True, True, False], "a single letter says nothing anywhere"
