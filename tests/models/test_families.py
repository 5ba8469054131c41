"""Is a checkpoint that Steep cannot train refused in a clear sentence, before any training?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
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
from steep.models.checkpoints import load_classifier, load_masked_lm
from steep.models.families import longest

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
