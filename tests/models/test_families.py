"""Is what cannot be trained refused, and are the layers of every family found, and made new?"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    XLNetConfig,
)

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models.checkpoints import load_classifier
from steep.models.families import layer_groups, longest, reinitialise
from steep.models.masked_lm import load_masked_lm

TASK = Task("single", ("no", "yes"))


@pytest.mark.parametrize("config", [GPT2Config(), T5Config(), XLNetConfig()])
def test_what_is_no_encoder_is_refused(config: PreTrainedConfig, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    for load in (
        lambda: load_masked_lm(tmp_path, "eager", 0),
        lambda: load_classifier(tmp_path, TASK, "eager", 0),
    ):
        with pytest.raises(SteepError, match=f"'{config.model_type}' is .*Choose one of those"):
            load()


def test_a_real_gpt2_folder_is_refused(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=50)).save_pretrained(
        tmp_path
    )
    with pytest.raises(SteepError, match="GPT-like models read from left to right"):
        load_masked_lm(tmp_path, "eager", 0)


def test_pickled_weights_are_refused(bert_copy: Callable[..., Path]) -> None:
    folder = bert_copy(BertForMaskedLM)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SteepError, match=r"only in pytorch_model\.bin, a pickle.*save it again"):
        load_masked_lm(folder, "eager", 0)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(SteepError, match=r"holds no weights; expected model\.safetensors"):
        load_masked_lm(folder, "eager", 0)


def test_a_sharded_checkpoint_is_read(bert_copy: Callable[..., Path], tmp_path: Path) -> None:
    folder = bert_copy(BertForMaskedLM)
    whole = AutoModelForMaskedLM.from_pretrained(folder)
    whole.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "shards")
    assert not (tmp_path / "shards" / "model.safetensors").exists()
    assert not load_masked_lm(tmp_path / "shards", "eager", 0).new_head


def with_tokenizer(folder: Path, out: Path, words: int) -> Path:
    """The checkpoint with a tokenizer of that many more, or fewer, words than its own."""
    shutil.copytree(folder, out)
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    count = len(vocabulary) + words
    longer = vocabulary | {f"new{i}": i for i in range(len(vocabulary), count)}
    kept = {word: number for word, number in longer.items() if number < count}
    BertTokenizer(vocab=kept).save_pretrained(out)
    return out


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(
    tiny_bert: Path, tmp_path: Path
) -> None:
    folder = with_tokenizer(tiny_bert, tmp_path / "more", 3)
    rows = AutoModelForMaskedLM.from_pretrained(tiny_bert).config.vocab_size
    with pytest.raises(SteepError, match=rf"up to {rows + 2} \('new{rows + 2}'\).*{rows} only"):
        load_masked_lm(folder, "eager", 0)


def test_a_tokenizer_with_far_fewer_tokens_is_a_doubt(tiny_bert: Path, tmp_path: Path) -> None:
    assert load_masked_lm(tiny_bert, "eager", 0).notes == ()
    few = load_masked_lm(with_tokenizer(tiny_bert, tmp_path / "few", -60), "eager", 0)
    assert len(few.notes) == 1
    assert "is it the model's own?" in few.notes[0]


def test_sizes_that_contradict_the_weights_are_refused(bert_copy: Callable[..., Path]) -> None:
    folder = bert_copy(BertForMaskedLM)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 77}))
    with pytest.raises(SteepError, match=r"word_embeddings.* 228 x 32 in .*, 77 x 32 by config"):
        load_masked_lm(folder, "eager", 0)


def test_another_padding_token_than_positions_count_from_is_refused(
    tiny_bert: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_attention_heads=2, num_hidden_layers=1
    )
    RobertaForMaskedLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(SteepError, match="pads with token 0, but .* padding token 1 on"):
        load_masked_lm(tmp_path, "eager", 0)


def test_a_classifier_has_no_masked_head(bert_copy: Callable[..., Path]) -> None:
    lm = load_masked_lm(bert_copy(BertForSequenceClassification), "eager", 0)
    assert lm.new_head
    assert "has no masked-LM head: a new one is trained first, alone" in lm.notes[0]


def test_inputs_end_where_positions_end(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel]
) -> None:
    model = build(AutoModelForMaskedLM, family)
    most = longest(model, 500)
    assert most == (
        38 if family.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet") else 40
    )
    with torch.no_grad():
        model(input_ids=torch.full((1, most), 7))


HEADS = (AutoModelForMaskedLM, AutoModelForSequenceClassification)


def names(model: PreTrainedModel) -> list[set[str]]:
    """The names of the parameters in each group."""
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    return [{name_of[id(p)] for p in group} for group in layer_groups(model)]


def layer_number(name: str) -> int | None:
    found = re.search(r"layers?\.(\d+)\.|albert_layer_groups\.(\d+)\.", name)
    return int(found.group(1) or found.group(2)) if found else None


@pytest.mark.parametrize("auto", HEADS)
def test_the_groups_partition_the_parameters(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], auto: type
) -> None:
    model = build(auto, family)
    grouped = [id(p) for group in layer_groups(model) for p in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("auto", HEADS)
def test_the_groups_go_from_embeddings_over_layers_to_the_head(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel], auto: type
) -> None:
    model = build(auto, family)
    bottom, *layers, top = names(model)
    # ALBERT's layers share their weights, so they are one.
    assert len(layers) == (1 if family.model_type == "albert" else 3)
    for number, layer in enumerate(layers):
        assert {layer_number(name) for name in layer} == {number}
    assert {layer_number(name) for name in bottom | top} == {None}
    embeddings = {id(p) for p in model.get_input_embeddings().parameters()}
    assert embeddings <= {id(p) for p in layer_groups(model)[0]}
    above = {id(p) for p in model.base_model.parameters()}
    own_of_head = {name for name, p in model.named_parameters() if id(p) not in above}
    between = {name for name in top if re.search(r"pooler|final_norm", name)}
    assert top == own_of_head | between
    assert own_of_head


def test_a_tied_decoder_belongs_to_the_embeddings(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel]
) -> None:
    model = build(AutoModelForMaskedLM, family)
    decoder = model.get_output_embeddings()
    assert isinstance(decoder, nn.Linear)
    assert any(p is decoder.weight for p in layer_groups(model)[0])


def test_the_top_layers_and_the_pooler_are_new_in_every_family(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel]
) -> None:
    model = build(AutoModelForSequenceClassification, family)
    if family.model_type == "albert":  # its layers share their weights
        with pytest.raises(SteepError, match="has 1 layers"):
            reinitialise(model, 1, 0)
        return
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    reinitialise(model, 2, seed=0)
    name_of = {id(p): name for name, p in model.named_parameters()}
    top = {name_of[id(p)] for group in layer_groups(model)[2:-1] for p in group}
    pooler = {name for name in before if ".pooler." in name}
    changed = {n for n, p in model.named_parameters() if not torch.equal(before[n], p)}
    assert changed == top | pooler
    for name in changed:  # as a new layer is: small weights, norms of 1, biases of 0
        value = dict(model.named_parameters())[name]
        assert (value == 1).all() or (value == 0).all() or 0 < value.std() < 0.1, name


def test_new_weights_follow_from_the_seed(
    family: PreTrainedConfig, build: Callable[..., PreTrainedModel]
) -> None:
    if family.model_type == "albert":
        pytest.skip("has no top layer of its own")
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(found))  # what was drawn before must not matter
        model = build(AutoModelForSequenceClassification, family)
        reinitialise(model, 1, seed)
        found.append([p.detach() for p in layer_groups(model)[-2]])
    same = [torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True)]
    other = [torch.equal(a, b) for a, b in zip(found[0], found[2], strict=True)]
    assert all(same)
    assert not all(other)


def test_the_lowest_layer_stays(build: Callable[..., PreTrainedModel]) -> None:
    from transformers import BertConfig

    config = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    with pytest.raises(SteepError, match="reinit_layers 2: the checkpoint has 2 layers"):
        reinitialise(build(AutoModelForSequenceClassification, config), 2, 0)
