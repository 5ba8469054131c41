"""Do checkpoints get heads for pairs, keep those they have, and hand their pooler on?"""

from collections.abc import Callable
from pathlib import Path

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
from steep.models.checkpoints import load_classifier, load_masked_lm
from steep.models.heads import MaskedLM
from steep.shelf.sentence_pairs.pair_heads import PAIR_HEADS

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
    masked, pairs = MaskedLM(model, autocast=False, outputs=("prediction_logits", name))(
        batch, POSITIONS
    )
    torch.testing.assert_close(pairs, expected[name])
    dense = expected.prediction_logits.flatten(0, 1)[POSITIONS]
    torch.testing.assert_close(masked, dense, atol=2e-5, rtol=1e-4)
    assert (pairs[0] - pairs[1]).abs().max() > 1e-4
