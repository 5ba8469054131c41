"""Do the batches of step 2 hold every window once a pass, masked right, and reproducibly?"""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from steep.args import PretrainArgs
from steep.data.batches import padded_length
from steep.data.corpus import Corpus, Data
from steep.data.inputs import frame
from steep.data.tokens import Tokens, tokenize
from steep.errors import SteepError
from steep.objectives.masking import vocabulary
from steep.options import change
from steep.train.objective import windows_of
from steep.train.pile import IGNORED, ROUND, Batch, Pile, Stream, heldout_batches, loaders


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture(scope="module")
def pile(tokenizer: PreTrainedTokenizerBase, single: Data) -> Pile:
    text = tokenize(single.train, tokenizer)
    return Pile(text, frame(tokenizer), vocabulary(tokenizer), 12, 0.15)


def stream(pile: Pile, length: int, seed: int = 0) -> Stream:
    return Stream(pile, pile.spans(), 128, length, seed)


def original(batch: Batch) -> torch.Tensor:
    """The ids of a batch as they were before masking, 0 where there is padding."""
    inputs, positions, labels = batch
    ids = inputs[:, 0].clone()
    real = labels != IGNORED
    ids.view(-1)[positions[real]] = labels[real]
    return ids


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_pass_holds_every_window_once(pile: Pile) -> None:
    batches = stream(pile, 10)
    per_pass = batches.per_pass
    batches = stream(pile, per_pass)
    for epoch in range(2):
        batches.epoch = epoch
        rows = []
        for index in range(per_pass):
            ids, attention = original(batches[index]), batches[index][0][:, 1]
            rows += [row[m == 1].tolist() for row, m in zip(ids, attention, strict=True)]
        expected = [[2, *pile.tokens.ids[a:b].tolist(), 3] for a, b in pile.spans()]
        assert sorted(rows) == sorted(expected)


def test_rounds_run_through_the_passes(pile: Pile) -> None:
    whole = stream(pile, 1000)
    rounds = stream(pile, 7)
    for step in (0, 6, 7, 20, whole.per_pass, whole.per_pass + 3):
        rounds.epoch, index = divmod(step, 7)
        assert same(rounds[index], whole[step])


def test_a_batch_follows_from_seed_and_number_alone(pile: Pile) -> None:
    first, again, other = stream(pile, 50), stream(pile, 50), stream(pile, 50, seed=1)
    later = first[30]
    torch.manual_seed(3)
    assert same(again[30], later)
    assert not same(other[30], later)


def test_every_pass_has_masks_of_its_own(pile: Pile) -> None:
    batches = stream(pile, 1000)
    masks: list[dict] = []
    for number in range(2):
        seen = {}
        for index in range(number * batches.per_pass, (number + 1) * batches.per_pass):
            batch = batches[index]
            for row, (shown, real) in zip(original(batch), batch[0], strict=True):
                seen[tuple(row[real > 0].tolist())] = shown[real > 0].tolist()
        masks.append(seen)
    changed = sum(masks[0][row] != masks[1][row] for row in masks[0])
    assert changed > 0.7 * len(masks[0])


def test_batches_come_in_few_shapes(pile: Pile) -> None:
    batches = stream(pile, 1000)
    for index in range(batches.per_pass):
        inputs, positions, labels = batches[index]
        rows, _, length = inputs.shape
        assert length == padded_length(length)
        assert rows * length <= 128
        assert len(positions) == len(labels)
        assert len(positions) % ROUND == 0


def test_the_share_is_masked_and_only_words_are(pile: Pile) -> None:
    inputs, positions, labels = stream(replace(pile, mlm_probability=0.4), 50)[0]
    real = labels != IGNORED
    ids, attention = original((inputs, positions, labels)), inputs[:, 1]
    words = (~torch.from_numpy(pile.words.special)[ids]) & (attention == 1)
    assert int(real.sum()) == round(0.4 * int(words.sum()))
    assert words.view(-1)[positions[real]].all()
    hidden = (inputs[:, 0] == pile.words.mask).sum()
    assert 0 < hidden <= real.sum()
    assert len(set(positions[real].tolist())) == int(real.sum())


def test_windows_of_unknown_tokens_alone_are_left_out(pile: Pile) -> None:
    unknown, word = 1, int(pile.words.words[0])
    ids = np.array([unknown, unknown, word, unknown, unknown], np.int32)
    text = Tokens(ids, np.array([0, 2, 2, 4, 5]))
    assert replace(pile, tokens=text).spans().tolist() == [[2, 4]]
    nothing = Tokens(ids[:0], np.array([0, 0]))
    assert replace(pile, tokens=nothing).spans().shape == (0, 2)


def test_held_out_masks_never_change(pile: Pile) -> None:
    spans = pile.spans()[:20]
    heldout = heldout_batches(pile, spans, 128, 0)
    dls = loaders(stream(pile, 3), heldout, torch.device("cpu"))
    first, again = (list(dls.valid) for _ in range(2))
    assert len(first) == len(heldout)
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    anew = heldout_batches(pile, spans, 128, 0)
    assert all(same(one, other) for one, other in zip(first, anew, strict=True))
    assert sum(len(inputs) for inputs, _, _ in first) == 20


def test_loaders_hand_batches_on_as_they_are(pile: Pile) -> None:
    batches = stream(pile, 5)
    dls = loaders(batches, heldout_batches(pile, pile.spans()[:3], 128, 0), torch.device("cpu"))
    assert len(dls.train) == 5
    for found, expected in zip(dls.train, [batches[i] for i in range(5)], strict=True):
        assert same(tuple(found), expected)


def test_packed_windows_hold_whole_documents_with_a_separator_between(pile: Pile) -> None:
    packing = replace(pile, max_length=40).packing()
    spans = packing.packed(packing.spans())
    assert len(spans) < 0.8 * len(packing.spans()), "most of the tiny texts are short"
    separator, offsets = pile.frame.after, pile.tokens.offsets
    rows = packing.plan(spans, 256, 0, 0)[0]
    inputs = packing.batch(rows, np.random.default_rng(0))
    assert inputs[0].shape[2] <= 40
    for (begin, end), found in zip(rows, original(inputs), strict=True):
        parts = np.split(
            pile.tokens.ids[begin:end], offsets[(offsets > begin) & (offsets < end)] - begin
        )
        expected = list(pile.frame.before)
        for part in parts:
            expected += [*part.tolist(), *separator]
        assert found[: len(expected)].tolist() == expected
        assert set(found[len(expected) :].tolist()) <= {pile.frame.pad}
    assert any(((offsets > a) & (offsets < b)).any() for a, b in rows)


def test_packing_loses_no_token(pile: Pile) -> None:
    spans = pile.spans()
    found = replace(pile, max_length=40).packing().packed(spans)
    assert len(found) < len(spans)
    assert (found[:, 1] - found[:, 0]).sum() == (spans[:, 1] - spans[:, 0]).sum()
    assert len(pile.packed(spans)) == len(spans)


def test_text_that_the_tokenizer_does_not_know_is_refused(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    lm: Any = SimpleNamespace(tokenizer=tokenizer)
    pretrain = change(PretrainArgs(), {"max_length": 16})
    for texts, told in ((["ЖЖ", "Ш"], "knows none of their 2 tokens"), (["ЖЖ", "the"], None)):
        table = datasets.Dataset.from_dict({"row": range(2), "id": ["a", "b"], "text": texts})
        with pytest.raises(SteepError, match=told) if told else nullcontext():
            pile = windows_of(Corpus(table, "memory"), lm, pretrain)
    with pytest.raises(SteepError, match="no window of text is left to measure on: of 2, only 1"):
        pile.notes(pile.spans(), pile.spans()[:0])
