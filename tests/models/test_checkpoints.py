"""Does an encoder get from step 2 into step 3, and nothing else with it?"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    CanineTokenizer,
    PreTrainedModel,
    RobertaConfig,
)

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models.checkpoints import (
    check_length,
    graft,
    load_classifier,
    load_tokenizer,
    load_trained,
)
from steep.models.masked_lm import load_masked_lm

TASK = Task("single", ("negative", "neutral", "positive"))
POOLER = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def classifier(name: Path, encoder: Path | None = None, seed: int = 0) -> dict[str, Tensor]:
    return weights(load_classifier(name, TASK, "eager", seed, encoder))


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """The names under which both hold the same numbers, bit by bit."""
    assert one.keys() == other.keys()
    return {name for name in one if torch.equal(one[name], other[name])}


@pytest.fixture(scope="module")
def adapted(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT saved as by 'steep adapt', every weight of its masked-LM model changed."""
    folder = tmp_path_factory.mktemp("adapted")
    lm = load_masked_lm(tiny_bert, "eager", 0)
    draw = torch.Generator().manual_seed(0)
    for parameter in lm.model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=draw)
    lm.save(folder)
    return folder


def test_an_encoder_that_was_not_changed_gives_the_base_classifier(
    tiny_bert: Path, tmp_path: Path
) -> None:
    load_masked_lm(tiny_bert, "eager", 0).save(tmp_path)
    base = classifier(tiny_bert)
    assert equal(base, classifier(tiny_bert, tmp_path)) == base.keys()
    assert equal(base, classifier(tmp_path)) == base.keys()


def test_only_encoder_weights_differ(tiny_bert: Path, adapted: Path) -> None:
    base, grafted, loaded = (
        classifier(tiny_bert),
        classifier(tiny_bert, adapted),
        classifier(adapted),
    )
    same = {*POOLER, "classifier.weight", "classifier.bias"}
    assert equal(base, grafted) == same
    assert equal(base, loaded) == same
    assert equal(grafted, loaded) == base.keys()


def test_the_grafted_weights_are_the_adapted_ones(tiny_bert: Path, adapted: Path) -> None:
    source = BertForMaskedLM.from_pretrained(adapted).state_dict()
    grafted = classifier(tiny_bert, adapted)
    moved = [name for name in source if name.startswith("bert.")]
    assert len(moved) > 30
    for name in moved:
        assert torch.equal(grafted[name], source[name]), name


def test_the_pooler_is_the_base_checkpoints(tiny_bert: Path, adapted: Path) -> None:
    base = BertForPreTraining.from_pretrained(tiny_bert).state_dict()
    for built in (classifier(tiny_bert), classifier(tiny_bert, adapted), classifier(adapted)):
        assert all(torch.equal(built[name], base[name]) for name in POOLER)


def test_a_plain_masked_lm_folder_leaves_the_base_pooler(
    tiny_bert: Path, bert_copy: Callable[..., Path]
) -> None:
    plain = bert_copy(BertForMaskedLM, noise=0.1)
    base, grafted = classifier(tiny_bert), classifier(tiny_bert, plain)
    assert equal(base, grafted) == {*POOLER, "classifier.weight", "classifier.bias"}
    # This is the trap: loaded as it is, its pooler is drawn at random.
    assert POOLER[0] not in equal(base, classifier(plain))


def test_plain_transformers_loads_an_adapted_folder_with_encoder_and_pooler(
    tiny_bert: Path, adapted: Path
) -> None:
    ours = classifier(tiny_bert, adapted)
    plain = AutoModelForSequenceClassification.from_pretrained(adapted, num_labels=3)
    masked = AutoModelForMaskedLM.from_pretrained(adapted)
    encoder = [name for name in ours if name.startswith("bert.")]
    assert {*POOLER} < {*encoder}
    for name in encoder:
        assert torch.equal(plain.state_dict()[name], ours[name]), name
        if name not in POOLER:
            assert torch.equal(masked.state_dict()[name], ours[name]), name


def test_an_adapted_folder_can_be_adapted_again(tiny_bert: Path, adapted: Path) -> None:
    first, again = (load_masked_lm(name, "eager", 0) for name in (tiny_bert, adapted))
    assert not again.new_head
    assert again.pooler.keys() == first.pooler.keys() == {*POOLER}
    assert all(torch.equal(again.pooler[name], first.pooler[name]) for name in POOLER)
    kept = AutoModelForMaskedLM.from_pretrained(adapted)
    assert equal(weights(kept), weights(again.model)) == weights(kept).keys()


def test_the_head_follows_from_the_seed_and_leaves_the_global_stream_alone(
    tiny_bert: Path, adapted: Path
) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = classifier(tiny_bert, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert equal(first, classifier(tiny_bert, seed=1)) == first.keys()
    other = classifier(tiny_bert, seed=2)
    assert first.keys() - equal(first, other) == {"classifier.weight"}
    grafted = classifier(tiny_bert, adapted, seed=2)
    assert torch.equal(grafted["classifier.weight"], other["classifier.weight"])


def test_an_encoder_of_another_size_is_refused_by_name(
    tiny_bert: Path, bert_copy: Callable[..., Path]
) -> None:
    wide = bert_copy(BertForMaskedLM, intermediate_size=48)
    with pytest.raises(SteepError, match=r"does not fit.*encoder\.layer\.0\.") as caught:
        classifier(tiny_bert, wide)
    assert str(wide) in str(caught.value)
    shallow = bert_copy(BertForMaskedLM, num_hidden_layers=1, intermediate_size=64)
    with pytest.raises(SteepError, match=r"does not fit.*encoder\.layer\.1\."):
        classifier(tiny_bert, shallow)


def test_a_deeper_encoder_is_refused(tiny_bert: Path, bert_copy: Callable[..., Path]) -> None:
    deep = bert_copy(BertForMaskedLM, num_hidden_layers=3)
    with pytest.raises(SteepError, match="does not fit"):
        classifier(tiny_bert, deep)


def test_nothing_is_copied_when_it_does_not_fit(
    tiny_bert: Path, bert_copy: Callable[..., Path]
) -> None:
    model = load_classifier(tiny_bert, TASK, "eager", 0)
    before = weights(model)
    with pytest.raises(SteepError):
        graft(bert_copy(BertForMaskedLM, noise=0.1, intermediate_size=48), model)
    assert equal(before, weights(model)) == before.keys()


@pytest.mark.parametrize("sizes", [{}, {"tie_word_embeddings": False}])
def test_a_missing_masked_head_is_new_and_tied(
    bert_copy: Callable[..., Path], sizes: dict[str, int]
) -> None:
    headless = bert_copy(BertModel, **sizes)
    lm = load_masked_lm(headless, "eager", 0)
    assert lm.new_head
    decoder, embeddings = lm.model.get_output_embeddings(), lm.model.get_input_embeddings()
    assert decoder.weight is embeddings.weight
    assert lm.pooler.keys() == {*POOLER}
    lm.save(headless / "saved")
    saved = AutoModelForMaskedLM.from_pretrained(headless / "saved")
    assert saved.get_output_embeddings().weight is saved.get_input_embeddings().weight
    again, other = (load_masked_lm(headless, "eager", seed) for seed in (0, 1))
    name = "cls.predictions.transform.dense.weight"
    assert torch.equal(again.model.state_dict()[name], lm.model.state_dict()[name])
    assert not torch.equal(other.model.state_dict()[name], lm.model.state_dict()[name])


def test_a_checkpoint_with_its_head_keeps_it(tiny_bert: Path) -> None:
    lm = load_masked_lm(tiny_bert, "eager", 0)
    assert not lm.new_head
    kept = BertForPreTraining.from_pretrained(tiny_bert).state_dict()
    for name, value in lm.model.state_dict().items():
        assert torch.equal(value, kept[name]), name


def test_an_incomplete_encoder_is_refused(tiny_bert: Path, bert_copy: Callable[..., Path]) -> None:
    folder = bert_copy(BertForMaskedLM, num_hidden_layers=1)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(SteepError, match=r"incomplete: bert\.encoder\.layer\.1\."):
        load_masked_lm(folder, "eager", 0)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (TASK, "single_label_classification"),
        (Task("multi", ("toxic", "insult")), "multi_label_classification"),
        (Task("regression", ("score",)), "regression"),
    ],
)
def test_a_saved_classifier_knows_its_labels(
    tiny_bert: Path, tmp_path: Path, task: Task, problem: str
) -> None:
    load_classifier(tiny_bert, task, "eager", 0).save_pretrained(tmp_path)
    config = load_trained(tmp_path, "eager").config
    assert tuple(config.id2label.values()) == task.labels
    assert config.label2id == {label: index for index, label in enumerate(task.labels)}
    assert (config.num_labels, config.problem_type) == (len(task.labels), problem)


def test_an_untrained_classifier_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(SteepError, match=r"not a trained classifier \(classifier"):
        load_trained(tiny_bert, "eager")


def test_weights_are_loaded_in_fp32(bert_copy: Callable[..., Path], tmp_path: Path) -> None:
    half = BertForMaskedLM.from_pretrained(bert_copy(BertForMaskedLM)).half()
    half.save_pretrained(tmp_path / "half")
    load_tokenizer(bert_copy(BertForMaskedLM)).save_pretrained(tmp_path / "half")
    models = (
        load_masked_lm(tmp_path / "half", "eager", 0).model,
        load_classifier(tmp_path / "half", TASK, "eager", 0),
    )
    assert {p.dtype for model in models for p in model.parameters()} == {torch.float32}


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SteepError, match=r"config\.json: 'model_type' must name a family"):
        load_masked_lm(tmp_path, "eager", 0)


def test_broken_weights_are_refused(bert_copy: Callable[..., Path]) -> None:
    folder = bert_copy(BertForMaskedLM)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(SteepError, match="weights cannot be read"):
        load_masked_lm(folder, "eager", 0)


def test_a_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    CanineTokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "canine"}')
    with pytest.raises(SteepError, match="its tokenizer is missing"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").write_text("a\n")
    with pytest.raises(SteepError, match="no fast tokenizer"):
        load_tokenizer(tmp_path)


def test_inputs_longer_than_the_positions_are_refused(
    tiny_bert: Path, build: Callable[..., PreTrainedModel]
) -> None:
    model = load_classifier(tiny_bert, TASK, "eager", 0)
    check_length(64, model)
    for length in (65, 7):
        with pytest.raises(SteepError, match=f"max_length {length}: .* 8 to 64 tokens"):
            check_length(length, model)


def test_roberta_has_fewer_positions_than_its_table(build: Callable[..., PreTrainedModel]) -> None:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_attention_heads": 2, "pad_token_id": 1}
    config = RobertaConfig(**sizes, num_hidden_layers=1, max_position_embeddings=42)
    model = build(AutoModelForSequenceClassification, config)
    check_length(40, model)
    model(input_ids=torch.full((1, 40), 7))
    with pytest.raises(SteepError, match="8 to 40 tokens"):
        check_length(41, model)
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, 41), 7))


def test_a_real_checkpoint_has_a_pooler_and_no_masked_head(minilm: Path) -> None:
    lm = load_masked_lm(minilm, "eager", 0)
    assert lm.new_head
    assert lm.pooler.keys() == {*POOLER}
    assert lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight
