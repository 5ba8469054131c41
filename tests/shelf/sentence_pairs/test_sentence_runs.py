"""Are runs, segments and pairs made as they should, and are labels drawn by chance alone?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    AlbertForPreTraining,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models.checkpoints import load_classifier
from steep.models.masked_lm import MaskedLM, load_masked_lm
from steep.shelf.sentence_pairs.sentence_runs import (
    FALSE,
    PAIR_HEADS,
    balanced_labels,
    cut_runs,
    cut_segments,
    next_pairs,
    ordered_pairs,
)

ROOM = 20


@pytest.fixture(scope="module")
def text() -> tuple[np.ndarray, np.ndarray]:
    """Offsets of sentences and documents: 300 documents of 0 to 12 sentences."""
    draw = np.random.default_rng(0)
    counts = draw.integers(0, 13, 300)
    lengths = draw.integers(1, 15, counts.sum())
    return np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([[0], np.cumsum(counts)])


def test_runs_are_the_documents_in_order(text: tuple[np.ndarray, np.ndarray]) -> None:
    offsets, documents = text
    found = cut_runs(offsets, documents, ROOM)
    for first, stop in zip(documents, documents[1:], strict=False):
        own = found[(found[:, 0] >= first) & (found[:, 0] < stop)]
        if stop > first:
            assert [own[0, 0], own[-1, 1]] == [first, stop]
            assert (own[1:, 0] == own[:-1, 1]).all()


def test_a_run_fits_the_room_or_has_few_sentences(text: tuple[np.ndarray, np.ndarray]) -> None:
    offsets, documents = text
    found = cut_runs(offsets, documents, ROOM)
    sentences = np.diff(found)[:, 0]
    tokens = offsets[found[:, 1]] - offsets[found[:, 0]]
    assert ((tokens <= ROOM) | (sentences <= 3)).all()
    of_one = np.diff(documents) == 1
    assert set(found[sentences == 1, 0]) == set(documents[:-1][of_one])
    full = offsets[np.minimum(found[:, 1] + 2, len(offsets) - 1)] - offsets[found[:, 0]]
    inside = ~np.isin(found[:, 1], documents)
    assert (full[inside] > ROOM).all(), "and is as long as can be"


def test_one_document_or_none() -> None:
    assert cut_runs(np.array([0, 9, 18]), np.array([0, 2]), ROOM).tolist() == [[0, 2]]
    assert cut_runs(np.array([0, 90, 180]), np.array([0, 2]), ROOM).tolist() == [[0, 2]]
    assert cut_runs(np.array([0, 9]), np.array([0, 0, 1, 1]), ROOM).tolist() == [[0, 1]]
    assert cut_runs(np.array([0]), np.array([0]), ROOM).shape == (0, 2)


def pairs(text: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, and the document of each."""
    offsets, documents = text
    found = cut_runs(offsets, documents, ROOM)
    found = found[np.diff(found)[:, 0] > 1]
    owner = np.searchsorted(documents, found[:, 0], "right") - 1
    return cut_segments(offsets, found, ROOM), owner


def test_segments_meet_between_sentences_and_fit_any_partner(
    text: tuple[np.ndarray, np.ndarray],
) -> None:
    offsets, _ = text
    made, owner = pairs(text)
    assert len(made) > 300
    assert (made[:, 1] == made[:, 2]).all()
    assert np.isin(made[:, 1], offsets).all()
    lengths = made[:, [1, 3]] - made[:, [0, 2]]
    assert lengths.min() > 0
    assert lengths.max() <= ROOM // 2, "so no pair, of any two, is ever cut for being a pair"
    assert (np.diff(owner) >= 0).all()


def test_the_border_is_the_sentence_end_nearest_the_middle() -> None:
    offsets = np.array([0, 4, 6, 16, 18])
    assert cut_segments(offsets, np.array([[0, 4]]), 40).tolist() == [[0, 6, 6, 18]]
    assert cut_segments(offsets, np.array([[2, 4]]), 40).tolist() == [[6, 16, 16, 18]]
    assert cut_segments(offsets, np.array([[0, 4]]), 10).tolist() == [[1, 6, 6, 11]]


def test_random_partners_are_of_other_documents_and_true_ones_stay(
    text: tuple[np.ndarray, np.ndarray],
) -> None:
    made, owner = pairs(text)
    home = dict(zip(made[:, 2], owner, strict=True))
    for seed in range(30):
        rows, labels = next_pairs(made, owner, np.random.default_rng(seed))
        assert abs(int(labels.sum()) * 2 - len(made)) <= 1
        assert (rows[:, :2] == made[:, :2]).all()
        assert (rows[labels != FALSE] == made[labels != FALSE]).all()
        partner = np.array([home[begin] for begin in rows[:, 2]])
        assert (partner[labels == FALSE] != owner[labels == FALSE]).all()


def test_every_other_document_lends_as_often() -> None:
    owner = np.array([0, 0, 0, 1, 2, 2])
    made = np.arange(24).reshape(6, 4)
    lent = np.zeros((6, 6))
    for seed in range(4000):
        rows, labels = next_pairs(made, owner, np.random.default_rng(seed))
        lent[labels == FALSE, (rows[labels == FALSE, 2] - 2) // 4] += 1
    other = owner[:, None] != owner
    assert (lent[~other] == 0).all()
    for row, allowed in zip(lent, other, strict=True):
        assert row[allowed].min() > 0.85 * row.sum() / allowed.sum()


def test_the_label_does_not_show_in_the_lengths(text: tuple[np.ndarray, np.ndarray]) -> None:
    made, owner = pairs(text)
    means = np.zeros((2, 2))
    for seed in range(60):
        rows, labels = next_pairs(made, owner, np.random.default_rng(seed))
        lengths = rows[:, [1, 3]] - rows[:, [0, 2]]
        means += [lengths[labels == label].mean(0) / 60 for label in (0, 1)]
    assert np.abs(means[0] - means[1]).max() < 0.1


def test_swapped_pairs_are_the_same_segments(text: tuple[np.ndarray, np.ndarray]) -> None:
    made, _ = pairs(text)
    rows, labels = ordered_pairs(made, np.random.default_rng(0))
    assert (rows[labels != FALSE] == made[labels != FALSE]).all()
    assert (rows[labels == FALSE] == made[labels == FALSE][:, [2, 3, 0, 1]]).all()
    assert abs(int(labels.sum()) * 2 - len(made)) <= 1


def test_labels_are_balanced_and_an_odd_one_is_either() -> None:
    draws = [int(balanced_labels(7, np.random.default_rng(seed)).sum()) for seed in range(40)]
    assert set(draws) == {3, 4}
    assert all(balanced_labels(8, np.random.default_rng(seed)).sum() == 4 for seed in range(5))
    places = np.mean([balanced_labels(8, np.random.default_rng(seed)) for seed in range(2000)], 0)
    assert np.abs(places - 0.5).max() < 0.05


TASK = Task("single", ("bad", "good"))
POOLER = "bert.pooler.dense.weight"
POSITIONS = torch.tensor([1, 7, 13])


def test_a_checkpoint_with_both_heads_keeps_them(tiny_bert: Path) -> None:
    lm, known = load_masked_lm(tiny_bert, "eager", 0, heads=PAIR_HEADS), load_masked_lm
    saved = BertForPreTraining.from_pretrained(tiny_bert).state_dict()
    assert not lm.new_head
    assert not lm.new_further_head
    assert lm.notes == known(tiny_bert, "eager", 0).notes
    for name, value in lm.model.state_dict().items():
        assert torch.equal(value, saved[name]), name


@pytest.mark.parametrize(
    ("auto", "new", "notes"),
    [
        (BertForMaskedLM, (False, True), ["no sentence-pair head", "no pooler"]),
        (BertModel, (True, True), ["no sentence-pair head", "no masked-LM head"]),
    ],
)
def test_what_is_missing_is_new_by_seed_and_said(
    bert_copy: Callable[..., Path], auto: type, new: tuple[bool, bool], notes: list[str]
) -> None:
    folder = bert_copy(auto)
    one, same = (load_masked_lm(folder, "eager", 0, heads=PAIR_HEADS) for _ in range(2))
    other = load_masked_lm(folder, "eager", 1, heads=PAIR_HEADS)
    assert (one.new_head, one.new_further_head) == new
    assert len(one.notes) == len(notes)
    for said, expected in zip(one.notes, notes, strict=True):
        assert expected in said
    name = "cls.seq_relationship.weight"
    weights = [lm.model.state_dict()[name] for lm in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    tied = one.model.get_output_embeddings().weight
    assert tied is one.model.get_input_embeddings().weight


@pytest.fixture
def trained(tiny_bert: Path, tmp_path: Path) -> Path:
    """The tiny BERT with another pooler, saved as after step 2 with pairs."""
    lm = load_masked_lm(tiny_bert, "eager", 0, heads=PAIR_HEADS)
    with torch.no_grad():
        lm.model.bert.pooler.dense.weight.add_(1)
    lm.save(tmp_path / "trained")
    return tmp_path / "trained"


def test_a_trained_pooler_is_handed_to_the_classifier(tiny_bert: Path, trained: Path) -> None:
    base = load_classifier(tiny_bert, TASK, "eager", 0).state_dict()
    grafted = load_classifier(tiny_bert, TASK, "eager", 0, encoder=trained).state_dict()
    plain = AutoModelForSequenceClassification.from_pretrained(trained).state_dict()
    for found in (grafted, plain):
        assert torch.equal(found[POOLER], base[POOLER] + 1)
    assert torch.equal(grafted["classifier.weight"], base["classifier.weight"])


def test_without_pairs_the_base_pooler_stays(tiny_bert: Path, tmp_path: Path) -> None:
    load_masked_lm(tiny_bert, "eager", 0).save(tmp_path / "masked")
    base = load_classifier(tiny_bert, TASK, "eager", 0).state_dict()
    grafted = load_classifier(tiny_bert, TASK, "eager", 0, encoder=tmp_path / "masked")
    assert torch.equal(grafted.state_dict()[POOLER], base[POOLER])


def saved(model: PreTrainedModel, tiny_bert: Path, folder: Path) -> Path:
    """A checkpoint with the tokenizer of the tiny BERT."""
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


def sized(kind: type[PreTrainedConfig], tiny_bert: Path, **more: int) -> PreTrainedConfig:
    """A configuration of the tiny BERT's size."""
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2} | more
    words = len(AutoTokenizer.from_pretrained(tiny_bert))
    return kind(vocab_size=words, intermediate_size=64, pad_token_id=0, **size)


def test_albert_judges_with_its_own_head(tiny_bert: Path, tmp_path: Path) -> None:
    config = sized(AlbertConfig, tiny_bert, embedding_size=16)
    own = saved(AlbertForPreTraining(config), tiny_bert, tmp_path / "own")
    lm = load_masked_lm(own, "eager", 0, heads=PAIR_HEADS)
    assert (lm.new_head, lm.new_further_head, lm.outputs[1]) == (False, False, "sop_logits")
    lacking = saved(AlbertForMaskedLM(config), tiny_bert, tmp_path / "masked")
    assert load_masked_lm(lacking, "eager", 0, heads=PAIR_HEADS).new_further_head


def test_families_without_such_a_head_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    model = RobertaForMaskedLM(sized(RobertaConfig, tiny_bert))
    folder = saved(model, tiny_bert, tmp_path / "roberta")
    with pytest.raises(SteepError, match="'roberta' checkpoint has no head.*--sentences none"):
        load_masked_lm(folder, "eager", 0, heads=PAIR_HEADS)


def test_a_model_of_one_segment_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    model = BertForPreTraining(sized(BertConfig, tiny_bert, type_vocab_size=1))
    folder = saved(model, tiny_bert, tmp_path / "one")
    with pytest.raises(SteepError, match="no segment embeddings"):
        load_masked_lm(folder, "eager", 0, heads=PAIR_HEADS)


@torch.no_grad()
@pytest.mark.parametrize("kind", [BertConfig, AlbertConfig])
def test_both_logits_are_the_models_own(
    build: Callable[..., PreTrainedModel], tiny_bert: Path, kind: type[PreTrainedConfig]
) -> None:
    model = build(AutoModelForPreTraining, sized(kind, tiny_bert))
    name = "sop_logits" if kind is AlbertConfig else "seq_relationship_logits"
    batch = torch.randint(5, 60, (2, 3, 12), generator=torch.Generator().manual_seed(0))
    batch[:, 1], batch[:, 2] = 1, (torch.arange(12) > 5).long()
    expected = model(input_ids=batch[:, 0], attention_mask=batch[:, 1], token_type_ids=batch[:, 2])
    masked, pairs = MaskedLM(model, autocast=None, outputs=("prediction_logits", name))(
        batch, POSITIONS
    )
    torch.testing.assert_close(pairs, expected[name])
    dense = expected.prediction_logits.flatten(0, 1)[POSITIONS]
    torch.testing.assert_close(masked, dense, atol=2e-5, rtol=1e-4)
    assert (pairs[0] - pairs[1]).abs().max() > 1e-4
