"""Do batches of pairs hold what they should, the same for the same seed, and can they be learnt?"""

import random
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForPreTraining

from steep.args import PretrainArgs
from steep.data.batches import padded_length
from steep.data.corpus import Corpus
from steep.data.inputs import frame
from steep.data.tokens import tokenize
from steep.data.words import split_sentences
from steep.errors import SteepError
from steep.models.devices import Machine
from steep.models.masked_lm import MaskedLM, load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import make
from steep.shelf.sentence_pairs.sentence_runs import PAIR_HEADS
from steep.train import masked
from steep.train.masked import Laid
from steep.train.objective import masked_loss
from steep.train.pile import IGNORED, Batch, Pile, Stream, heldout_batches
from steep.train.sentence_pairs import (
    PairPile,
    cut_pairs,
    is_pair,
    pair_objective,
    pair_pile,
    pretraining_loss,
)
from steep.train.session import Hooks

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
THEMES = ["film actor scene story", "road river tree dog", "mother father child friend"]


def corpus(documents: int = 240) -> Corpus:
    """Documents of 2 to 6 sentences about one theme; every tenth has one sentence alone."""
    draw, texts = random.Random(0), []
    for number in range(documents):
        words = THEMES[number % 3].split()
        count = 1 if number % 10 == 0 else draw.randint(2, 6)
        lines = [" ".join(draw.choices(words, k=draw.randint(3, 7))) + "." for _ in range(count)]
        texts.append(" ".join(line.capitalize() for line in lines))
    rows = {"row": list(range(documents)), "text": texts}
    return Corpus(datasets.Dataset.from_dict(rows), "made.csv")


def made(checkpoint: Path, kind: str = "next", text: Corpus | None = None) -> PairPile:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    parts, documents = split_sentences(text or corpus())
    tokens, words = tokenize(parts, tokenizer), vocabulary(tokenizer)
    return pair_pile(Pile(tokens, frame(tokenizer), words, 32, 0.15), documents, kind)


@pytest.fixture(scope="module")
def pile(tiny_bert: Path) -> PairPile:
    return made(tiny_bert)


def stream(pile: PairPile, length: int = 1000, seed: int = 0) -> Stream:
    return Stream(pile, pile.spans(), 256, length, seed)


def original(batch: Batch) -> torch.Tensor:
    """The ids of a batch as they were before masking."""
    inputs, positions, labels, _ = batch
    ids = inputs[:, 0].clone()
    real = labels != IGNORED
    ids.view(-1)[positions[real]] = labels[real]
    return ids


def test_rows_are_framed_as_the_tokenizer_frames_them(tiny_bert: Path, pile: PairPile) -> None:
    tokenizer, ids = AutoTokenizer.from_pretrained(tiny_bert), pile.tokens.ids
    rows = pile.plan(pile.spans(), 256, 0, 0)[0]
    batch = pile.batch(rows, np.random.default_rng(0))
    inputs = batch[0]
    assert inputs.shape[2] == padded_length(inputs.shape[2])
    assert (rows[:, 3] > rows[:, 2]).any()
    for row, found, (a, b, c, d, label) in zip(inputs, original(batch), rows, strict=True):
        texts = [tokenizer.decode(ids[i:j]) for i, j in ((a, b), (c, d)) if j > i]
        expected = tokenizer(*texts)
        size = len(expected["input_ids"])
        assert found[:size].tolist() == expected["input_ids"]
        assert row[1].tolist() == [1] * size + [0] * (len(row[1]) - size)
        assert row[2][:size].tolist() == expected["token_type_ids"]
        assert (label == IGNORED) == (d == c)
    assert batch[3].tolist() == rows[:, 4].tolist()


def test_a_pass_holds_every_row_once_and_as_many_batches(pile: PairPile) -> None:
    spans, counts = pile.spans(), set()
    for number in range(4):
        batches = pile.plan(spans, 256, 0, number)
        counts.add(len(batches))
        rows = np.concatenate(batches)
        assert sorted(rows[:, 0]) == sorted(spans[:, 0])
        labels = rows[rows[:, 4] != IGNORED, 4]
        assert len(labels) == is_pair(spans).sum()
        assert abs(2 * int(labels.sum()) - len(labels)) <= 1
    assert len(counts) == 1
    batches = stream(pile)
    assert all(b[0].shape[0] * b[0].shape[2] <= 256 for b in (batches[i] for i in range(20)))


def test_a_batch_follows_from_seed_and_number_alone(pile: PairPile) -> None:
    def same(one: Batch, other: Batch) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    first, again, other = stream(pile), stream(pile), stream(pile, seed=1)
    late = first.per_pass + 2
    assert same(first[late], again[late])
    assert same(first[1], again[1])
    assert not same(first[1], other[1])
    drawn = [np.concatenate(pile.plan(pile.spans(), 256, 0, number)) for number in (0, 1)]
    assert not np.array_equal(*(np.sort(rows[:, 4]) * 0 + rows[:, 2] for rows in drawn))


def test_random_seconds_are_of_other_documents(pile: PairPile) -> None:
    offsets = pile.tokens.offsets
    for number in range(10):
        rows = np.concatenate(pile.plan(pile.spans(), 256, 0, number))
        one, two = (np.searchsorted(offsets, rows[:, c], "right") for c in (0, 2))
        assert ((one != two) == (rows[:, 4] == 1))[rows[:, 4] != IGNORED].all()


def test_documents_of_one_sentence_make_no_pair_and_are_counted(pile: PairPile) -> None:
    spans = pile.spans()
    lone = pile.tokens.offsets[:-1][np.diff(pile.documents) == 1]
    assert len(lone) == 24
    assert set(spans[~is_pair(spans), 0]) == set(lone)
    notes = pile.notes(spans[60:], spans[:60])
    assert "24 documents of one sentence make no pair: masked tokens alone" in notes


@pytest.mark.parametrize(("kind", "least"), [("next", 2), ("order", 1)])
def test_too_few_documents_with_pairs_are_a_clear_message(
    tiny_bert: Path, kind: str, least: int
) -> None:
    texts = ["Film actor. Scene story.", *["road river"] * 30]
    rows = {"row": list(range(31)), "text": texts}
    pile = made(tiny_bert, kind, Corpus(datasets.Dataset.from_dict(rows), "made.csv"))
    spans = pile.spans()
    with pytest.raises(SteepError, match=f"0 of the documents held out.*and {least} must"):
        pile.notes(spans[:1], spans[1:]) if kind == "order" else pile._check(
            spans[1:], "held out to measure on"
        )
    if kind == "next":
        with pytest.raises(SteepError, match="1 of the documents to train on.*and 2 must"):
            pile.notes(spans, spans[1:])


def test_pairs_of_one_theme_are_told_from_others(tiny_bert: Path, tmp_path: Path) -> None:
    pile, args = (
        made(tiny_bert),
        make(PretrainArgs, max_length=32, batch_tokens=256, epochs=24, learning_rate=5e-3),
    )
    lm = load_masked_lm(tiny_bert, "eager", 0, PAIR_HEADS)
    before = {name: p.detach().clone() for name, p in lm.model.named_parameters()}
    spans = pile.spans()
    laid = Laid(pile, spans[60:], spans[:60], objective=pair_objective("next"))
    report = masked.train(lm, laid, args, CPU, 0, Hooks())
    # A third of the random partners are of the same theme: (1 + 2/3) / 2 is the best there is.
    assert max(line["valid_pair_accuracy"] for line in report["history"]) > 0.65
    assert report["heldout_pairs"] == is_pair(spans[:60]).sum()
    kept = next(line for line in report["history"] if line["kept"])
    assert kept["valid_pair_accuracy"] == report["pair_accuracy"]["after"]
    assert report["masked_loss"]["after"] < report["masked_loss"]["before"]
    assert not [n for n, p in lm.model.named_parameters() if torch.equal(p, before[n])]
    lm.save(tmp_path / "adapted")
    saved = BertForPreTraining.from_pretrained(tmp_path / "adapted")
    for name, value in saved.state_dict().items():
        assert torch.equal(value, lm.model.state_dict()[name]), name
    _, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "adapted", output_loading_info=True)
    assert not info["missing_keys"]


def test_the_pair_loss_counts_pairs_alone(tiny_bert: Path, pile: PairPile) -> None:
    draw = torch.Generator().manual_seed(0)
    masked_logits, pairs = (torch.randn(4, n, generator=draw) for n in (9, 2))
    labels = torch.tensor([1, 2, IGNORED, 3])
    alone = masked_loss(masked_logits, labels)
    none = torch.full((4,), IGNORED)
    assert pretraining_loss((masked_logits, pairs), labels, none) == pytest.approx(float(alone))
    truth = torch.tensor([0, 1, IGNORED, IGNORED])
    judged = -torch.log_softmax(pairs[:2], -1)[[0, 1], [0, 1]].mean()
    found = pretraining_loss((masked_logits, pairs), labels, truth)
    assert float(found) == pytest.approx(float(alone + judged), rel=1e-5)


def test_in_parts_the_loss_is_that_of_the_whole_batch(still_bert: Path) -> None:
    pile, lm = made(still_bert, "order"), load_masked_lm(still_bert, "eager", 0, PAIR_HEADS)
    model = MaskedLM(lm.model, None, lm.outputs).eval()
    batch = pile.batch(pile.plan(pile.spans(), 512, 0, 0)[0], np.random.default_rng(0))
    assert (batch[3] != IGNORED).any()
    found = cut_pairs(batch[:2], batch[2:], 3)
    with torch.no_grad():
        whole = pretraining_loss(model(*batch[:2]), *batch[2:])
        parts = [pretraining_loss(model(*p.inputs), *p.labels) * p.share for p in found]
    assert len(parts) == 3
    assert float(sum(parts)) == pytest.approx(float(whole), rel=1e-5)
    assert torch.equal(torch.cat([part.labels[1] for part in found]), batch[3])
    (one,) = cut_pairs(batch[:2], batch[2:], 1)
    assert (one.inputs, one.labels, one.share) == (batch[:2], batch[2:], 1)


def test_held_out_pairs_never_change(pile: PairPile) -> None:
    spans = pile.spans()[:40]
    one, two = (heldout_batches(pile, spans, 256, 0) for _ in range(2))
    for first, second in zip(one, two, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
