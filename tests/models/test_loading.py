"""Is half a checkpoint refused by every loader alike, and is what is new or odd told?"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models.checkpoints import checkpoint_notes, load_classifier, load_tokenizer, load_trained
from steep.models.masked_lm import load_masked_lm

TASK = Task("single", ("bad", "good"))
WEIGHTS = "model.safetensors"
Weights = dict[str, Tensor]

LOADERS: dict[str, Callable[[Path, Path], Any]] = {
    "adapt": lambda folder, base: load_masked_lm(folder, "eager", 0),
    "fit": lambda folder, base: load_classifier(folder, TASK, "eager", 0),
    "pooled": lambda folder, base: load_classifier(folder, TASK, "eager", 0, pooling="mean"),
    "graft": lambda folder, base: load_classifier(base, TASK, "eager", 0, folder),
    "predict": lambda folder, base: load_trained(folder, "eager"),
}


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def changed(folder: Path, change: Callable[[Weights], Weights], **config: Any) -> None:
    """The checkpoint with other weights, and another configuration."""
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))


def same(weights: Weights) -> Weights:
    return weights


def without(part: str) -> Callable[[Weights], Weights]:
    return lambda weights: {name: value for name, value in weights.items() if part not in name}


def renamed(weights: Weights) -> Weights:
    return {f"module.{name}": value for name, value in weights.items()}


def small(name: str) -> Callable[[Weights], Weights]:
    return lambda weights: weights | {name: weights[name][:7].clone()}


LAYER, WORDS = "encoder.layer.1.", "embeddings.word_embeddings.weight"
HALVES: list[tuple[Callable[[Weights], Weights], dict[str, Any], str]] = [
    (without(LAYER), {}, r"incomplete: .*encoder\.layer\.1\..* and 14 more missing, 16 of 37\."),
    (without("layer.0.output.dense.bias"), {}, r"incomplete: .*dense\.bias missing, 1 of 37\."),
    (without("embeddings."), {}, r"incomplete: .*embeddings\..* missing, 5 of 37\."),
    (without("bert."), {}, "incomplete: .* missing, 37 of 37"),
    (renamed, {}, r"missing, 37 of 37\..* hold weights such as module\.bert\."),
    (same, {"model_type": "distilbert"}, "missing, 36 of 36.*is a 'distilbert'.*such as bert"),
    (same, {"num_hidden_layers": 3}, r"incomplete: .*encoder\.layer\.2\..* and 14 more missing"),
    (small(f"bert.{WORDS}"), {}, rf"{WORDS} is 7 x 32 in the weights, 228 x 32 by config"),
    (same, {"vocab_size": 77}, "is 228 x 32 in the weights, 77 x 32 by config.json"),
    (same, {"hidden_size": 16}, r"contradict each other: .*, and \d+ more differ"),
    (same, {"vocab_size": 10**8}, "by config.json it has 3,2.*, the files hold"),
]


SOME = [HALVES[0], HALVES[5], HALVES[7]]
EACH = [("fit", *half) for half in HALVES]
EACH += [(loader, *half) for loader in LOADERS if loader != "fit" for half in SOME]


@pytest.mark.parametrize(("loader", "change", "config", "told"), EACH)
def test_half_a_checkpoint_is_refused_by_all_alike(
    copy: Path,
    tiny_bert: Path,
    loader: str,
    change: Callable[[Weights], Weights],
    config: dict[str, Any],
    told: str,
) -> None:
    changed(copy, change, **config)
    with pytest.raises(SteepError, match=told) as caught:
        LOADERS[loader](copy, tiny_bert)
    assert str(caught.value).startswith(f"{copy}: ")


@pytest.mark.parametrize(
    ("loader", "value"), [("fit", float("inf")), *((loader, float("nan")) for loader in LOADERS)]
)
def test_weights_that_are_no_numbers_are_found_at_once(
    copy: Path, tiny_bert: Path, loader: str, value: float
) -> None:
    name = "bert.encoder.layer.1.attention.self.key.bias"

    def damage(weights: Weights) -> Weights:
        weights[name][3] = value
        return weights

    changed(copy, damage)
    with pytest.raises(SteepError, match=r"not finite .*encoder\.layer\.1.*\.key\.bias\. The che"):
        LOADERS[loader](copy, tiny_bert)


def test_what_is_new_by_design_is_named(
    tiny_bert: Path, bert_copy: Callable[..., Path], copy: Path
) -> None:
    def told(folder: Path, pooling: str = "model") -> tuple[str, ...]:
        return checkpoint_notes(load_classifier(folder, TASK, "eager", 0, pooling=pooling))

    head = "its head (classifier.bias, classifier.weight)"
    pooler = "its pooler (bert.pooler.dense.bias, bert.pooler.dense.weight)"
    assert told(tiny_bert) == (f"{tiny_bert}: newly initialised, by the seed: {head}",)
    assert told(bert_copy(BertModel))[0].endswith(head)
    assert told(bert_copy(BertForMaskedLM))[0].endswith(f"{head} and {pooler}")
    assert told(tiny_bert, "mean")[0].endswith("its head (pooling mean)")
    assert load_masked_lm(tiny_bert, "eager", 0).notes == ()


def test_weights_that_the_model_leaves_out_are_told(copy: Path) -> None:
    changed(copy, same, num_hidden_layers=1)
    (copy / "model.safetensors.index.json").write_text("{}")
    for notes in (
        load_masked_lm(copy, "eager", 0).notes,
        checkpoint_notes(load_classifier(copy, TASK, "eager", 0)),
    ):
        assert "model.safetensors is read, not the files that" in notes[0]
        assert "16 weights of its encoder are left out, such as bert.encoder.layer.1" in notes[1]


def test_nothing_but_configuration_and_safetensors_is_read(copy: Path) -> None:
    """An adapter, a pickle, code and other weights may lie there or be named: nobody looks."""
    before = load_classifier(copy, TASK, "eager", 0).state_dict()
    for name in ("pytorch_model.bin", "adapter_model.bin", "modeling_evil.py", "x.safetensors"):
        (copy / name).write_bytes(b"evil")
    adapter = {"base_model_name_or_path": "elsewhere", "peft_type": "LORA"}
    (copy / "adapter_config.json").write_text(json.dumps(adapter))
    named = {"auto_map": {"AutoModelForSequenceClassification": "modeling_evil.Evil"}}
    changed(copy, same, transformers_weights="x.safetensors", **named)
    after = load_classifier(copy, TASK, "eager", 0).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_type_of_model_that_is_not_known(copy: Path) -> None:
    changed(copy, same, model_type="evil", auto_map={"AutoConfig": "evil.Config"})
    for load in (load_tokenizer, lambda folder: load_masked_lm(folder, "eager", 0)):
        with pytest.raises(SteepError, match="model type 'evil' .*of its own, which Steep does no"):
            load(copy)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"hidden_act": "nonsense"}, "by its config.json: .*nonsense"),
        ({"num_attention_heads": 5}, "by its config.json: .*attention heads"),
        ({"pad_token_id": "x"}, "by its config.json: .*pad_token_id"),
        ({"initializer_range": -1.0}, "by its config.json: "),
    ],
)
def test_what_transformers_cannot_make_is_told(
    copy: Path, config: dict[str, Any], told: str
) -> None:
    changed(copy, same, **config)
    with pytest.raises(SteepError, match=rf"{copy}: no checkpoint that can be used, {told}"):
        load_classifier(copy, TASK, "eager", 0)


def test_how_a_checkpoint_asks_for_outputs_changes_nothing(copy: Path) -> None:
    changed(copy, same, return_dict=False, output_hidden_states=True, output_attentions=True)
    found = load_classifier(copy, TASK, "eager", 0)(torch.arange(5, 13)[None])
    assert found.logits.shape == (1, 2)
    assert found.hidden_states is None


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("tokenizer.json", b'{"version": "1.0"}', "by its tokenizer"),
        ("tokenizer.json", b"{ garbage", "by its tokenizer"),
        ("tokenizer_config.json", b'{"tokenizer_class": 5}', "by its tokenizer"),
        ("tokenizer_config.json", b'{"unk_token": ""}', "by its tokenizer"),
    ],
)
def test_a_tokenizer_that_is_broken(copy: Path, name: str, content: bytes, told: str) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(SteepError, match=rf"{copy}: no checkpoint that can be used, {told}"):
        load_tokenizer(copy)


def test_a_tokenizer_without_words(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(SteepError, match="its tokenizer knows no words, only marks such as"):
        load_tokenizer(copy)


def trained_on(labels: tuple[str, ...], tiny_bert: Path, out: Path, **config: Any) -> Path:
    """A classifier of these labels, with a head that is like no new one."""
    names = {"id2label": dict(enumerate(labels)), "num_labels": len(labels)}
    settings = AutoConfig.from_pretrained(tiny_bert, **names, **config)
    model = BertForSequenceClassification.from_pretrained(tiny_bert, config=settings)
    with torch.no_grad():
        model.classifier.weight.fill_(0.5)
    model.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, out)
    return out


@pytest.mark.parametrize(
    "labels", [("no", "yes"), ("good", "bad"), ("a", "b", "c"), ("LABEL_0", "LABEL_1")]
)
def test_the_head_of_another_task_is_not_kept(
    tiny_bert: Path, tmp_path: Path, labels: tuple[str, ...]
) -> None:
    old = trained_on(labels, tiny_bert, tmp_path / "old")
    one, two, same_again = (load_classifier(old, TASK, "eager", seed) for seed in (0, 1, 0))
    assert torch.equal(one.classifier.weight, same_again.classifier.weight)
    assert not torch.equal(one.classifier.weight, two.classifier.weight)
    fresh = load_classifier(tiny_bert, TASK, "eager", 0)
    assert torch.equal(one.classifier.weight, fresh.classifier.weight), "as from the base"
    assert torch.equal(one.bert.pooler.dense.weight, fresh.bert.pooler.dense.weight)
    other, new = checkpoint_notes(one)
    assert f"a classifier of other labels ({', '.join(labels)}): its head is not kept" in other
    assert "newly initialised, by the seed: its head (classifier.bias, classifier.weight)" in new


def test_the_head_of_the_same_labels_is_kept_and_told(tiny_bert: Path, tmp_path: Path) -> None:
    old = trained_on(TASK.labels, tiny_bert, tmp_path / "old")
    model = load_classifier(old, TASK, "eager", 0)
    assert (model.classifier.weight == 0.5).all()
    assert checkpoint_notes(model) == (
        f"{old}: a classifier of the same labels (bad, good): its head is kept",
    )
    many = Task("multi", TASK.labels)
    problem = {"problem_type": "single_label_classification"}
    old = trained_on(TASK.labels, tiny_bert, tmp_path / "single", **problem)
    assert not (load_classifier(old, many, "eager", 0).classifier.weight == 0.5).any()


def test_nothing_starts_from_a_head_of_steeps_own(tiny_bert: Path, tmp_path: Path) -> None:
    load_classifier(tiny_bert, TASK, "eager", 0, pooling="cls").save_pretrained(tmp_path)
    for load in (LOADERS["adapt"], LOADERS["fit"]):
        with pytest.raises(SteepError, match="Name the checkpoint that it was fitted from"):
            load(tmp_path, tiny_bert)
