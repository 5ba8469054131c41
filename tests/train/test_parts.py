"""Is a batch that is computed in parts the same batch?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, modeling_utils

from steep.args import AdaptArgs
from steep.data.corpus import Data
from steep.data.sentences import split
from steep.data.tokens import frame, tokenize
from steep.models.checkpoints import MaskedLanguageModel, load_masked_lm
from steep.models.devices import Machine
from steep.objectives.masking import vocabulary
from steep.seeds import numbers
from steep.train import engine, masked
from steep.train.pairs import pair_pile
from steep.train.parts import cut
from steep.train.windows import IGNORED, Pile

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
ARGS = AdaptArgs(max_length=16, batch_tokens=256, steps=4, learning_rate=1e-3, device="cpu")


@pytest.fixture(scope="module")
def pile(still_bert: Path, single: Data) -> Pile:
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    text = tokenize(single.train, tokenizer)
    return Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)


def trained(
    checkpoint: Path, pile: Pile, args: AdaptArgs, machine: Machine = CPU
) -> tuple[MaskedLanguageModel, dict]:
    lm, spans = load_masked_lm(checkpoint, "eager", 0), pile.spans()
    return lm, masked.train(lm, pile, spans[20:], spans[:20], args, machine, 0)


def test_parts_hold_every_row_and_every_masked_token_once(pile: Pile) -> None:
    rows, positions, labels = pile.batch(pile.spans()[:11], numbers(0, "masks"))
    found = cut((rows, positions), (labels,), 3)
    assert [len(inputs[0]) for inputs, _ in found] == [3, 4, 4]
    assert torch.equal(torch.cat([inputs[0] for inputs, _ in found]), rows)
    real, start, seen = labels != IGNORED, 0, []
    for (part, places), (tokens, _) in found:
        own = tokens != IGNORED
        seen += list(zip((places[own] + start).tolist(), tokens[own].tolist(), strict=True))
        start += part.shape[0] * part.shape[2]
    assert seen == list(zip(positions[real].tolist(), labels[real].tolist(), strict=True))
    assert float(sum(shares[0] for _, (_, shares) in found)) == pytest.approx(1)


def test_a_batch_that_cannot_be_cut_stays_whole(pile: Pile) -> None:
    one = pile.batch(pile.spans()[:1], numbers(0, "masks"))
    assert len(cut(one[:2], one[2:], 4)) == 1
    rows, positions, labels = pile.batch(pile.spans()[:2], numbers(0, "masks"))
    labels = labels.where(positions < rows.shape[-1], IGNORED)  # nothing to guess in the second row
    assert len(cut((rows, positions), (labels,), 2)) == 1


def test_parts_train_as_the_whole_batch_does(
    still_bert: Path, pile: Pile, weights: Callable
) -> None:
    whole, report = trained(still_bert, pile, ARGS)
    parts, in_parts = trained(still_bert, pile, replace(ARGS, accumulate=2))
    for name, value in weights(whole.model).items():
        assert torch.allclose(value, weights(parts.model)[name], atol=2e-6), name
    for one, two in zip(report["history"][1:], in_parts["history"][1:], strict=True):
        assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-5)
        assert (one["step"], one["tokens"]) == (two["step"], two["tokens"])


def test_the_loss_of_sentence_pairs_is_that_of_the_whole_batch(
    still_bert: Path, single: Data
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    texts, documents = split(single.train)
    text = Pile(tokenize(texts, tokenizer), frame(tokenizer), vocabulary(tokenizer), 48, 0.15)
    pile = pair_pile(text, documents, "order")
    lm = load_masked_lm(still_bert, "eager", 0, pairs=True)
    model = masked.MaskedLM(lm.model, False, lm.pair_logits).eval()
    batch = pile.batch(pile.plan(pile.spans(), 512, 0, 0)[0], numbers(0, "masks"))
    assert (batch[3] != IGNORED).any()
    with torch.no_grad():
        whole = engine.pretraining_loss(model(*batch[:2]), *batch[2:])
        found = [engine.pretraining_loss(model(*x), *y) for x, y in cut(batch[:2], batch[2:], 3)]
    assert len(found) == 3
    assert float(sum(found)) == pytest.approx(float(whole), rel=1e-5)


def test_checkpointing_changes_no_weight(
    tiny_bert: Path, pile: Pile, weights: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    args, seen = replace(ARGS, steps=2), []
    plain, _ = trained(tiny_bert, pile, args)
    again = modeling_utils.checkpoint
    monkeypatch.setattr(
        modeling_utils, "checkpoint", lambda *a, **k: seen.append(1) or again(*a, **k)
    )
    thrifty, _ = trained(tiny_bert, pile, replace(args, checkpointing=True))
    for name, value in weights(plain.model).items():
        assert torch.equal(value, weights(thrifty.model)[name]), name
    assert len(seen) == 2 * 2, "two layers, two steps; none while measuring"
