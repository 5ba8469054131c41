"""Does each pooling read what it says, and a head that reads what was kept say the same?"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models import kernels
from steep.models.checkpoint_files import read_checkpoint
from steep.models.checkpoints import checkpoint_notes, load_classifier, load_trained
from steep.models.families import encoder_layers, layer_groups
from steep.models.heads import Classifier
from steep.models.pooling import (
    NORMED,
    POOLINGS,
    PooledClassifier,
    averages,
    set_pooling,
)
from steep.train.frozen_features import KNOWN, FeatureCache

TASK = Task("single", ("no", "yes"))
POOLS = ["cls", "mean", "concat", "layer:2"]


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Three rows of ids and attention mask, the first one padded."""
    ids = torch.randint(5, 60, (3, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    ids[0, 8:], mask[0, 8:] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}


def pooled(build: Callable, config: PreTrainedConfig, pooling: str) -> PooledClassifier:
    set_pooling(config, pooling)
    return PooledClassifier(build(AutoModel, config)).eval()


@pytest.mark.parametrize("pooling", POOLS)
def test_every_weight_of_every_family_gets_a_gradient(
    family: PreTrainedConfig, build: Callable, batch: dict[str, Tensor], pooling: str
) -> None:
    model = pooled(build, family, pooling)
    model(**batch).logits.pow(2).sum().backward()
    groups = layer_groups(model)
    assert {id(p) for p in groups[-1]} >= {id(p) for p in model.pooled_head.parameters()}
    layers = 2 if pooling == "layer:2" else 3
    assert len(groups) == (3 if family.model_type == "albert" else layers + 2)
    assert not [name for name, p in model.named_parameters() if p.grad is None]


@torch.no_grad()
def test_padding_changes_nothing(
    family: PreTrainedConfig, build: Callable, batch: dict[str, Tensor]
) -> None:
    model = pooled(build, family, "concat")
    together = model(**batch).logits
    alone = model(**{name: channel[:1, :8] for name, channel in batch.items()}).logits
    torch.testing.assert_close(together[:1], alone, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_each_pooling_is_what_its_name_says(build: Callable, batch: dict[str, Tensor]) -> None:
    def fresh() -> BertConfig:
        return BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=5, num_attention_heads=2)

    encoder = build(AutoModel, fresh())
    states = encoder(**batch, output_hidden_states=True).hidden_states
    mask = batch["attention_mask"]
    mean = torch.stack([h[m == 1].mean(0) for h, m in zip(states[-1], mask, strict=True)])
    most = torch.stack([h[m == 1].amax(0) for h, m in zip(states[-1], mask, strict=True)])
    normed = torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=1e-12)
    expected = {
        "cls": states[-1][:, 0],
        "mean": normed,
        "concat": torch.cat([states[-1][:, 0], mean, most], 1),
        "last4": torch.cat([h[:, 0] for h in states[-4:]], 1),
        "layer:3": states[3][:, 0],
    }
    assert {name.partition(":")[0] for name in expected} == set(POOLINGS) - {NORMED}
    for pooling, vector in expected.items():
        model = pooled(build, fresh(), pooling)
        model.base_model.load_state_dict(encoder.state_dict(), strict=False)
        found = model(**batch).logits
        torch.testing.assert_close(found, model.pooled_head(vector), msg=pooling)


@pytest.mark.parametrize("pooling", ["cls", "concat", "layer:1"])
def test_it_is_loaded_as_it_was_saved(tiny_bert: Path, tmp_path: Path, pooling: str) -> None:
    batch = {"input_ids": torch.tensor([[2, 9, 3]]), "attention_mask": torch.ones(1, 3).long()}
    model = load_classifier(tiny_bert, TASK, "eager", 0, pooling=pooling).eval()
    model.save_pretrained(tmp_path)
    again = load_trained(tmp_path, "eager")
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    assert again.config.id2label == {0: "no", 1: "yes"}
    # A class of transformers would give the head random weights, and predict.
    for loader in (AutoModel, AutoModelForSequenceClassification):
        with pytest.raises(ValueError, match="steep_pooled"):
            loader.from_pretrained(tmp_path)


def test_the_mean_before_it_was_normed_is_read(tiny_bert: Path, tmp_path: Path) -> None:
    """Of folders of the version before."""
    model = load_classifier(tiny_bert, TASK, "eager", 0, pooling="cls")
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"steep_pooling": "mean"}))
    again = load_trained(tmp_path, "eager").eval()
    batch = {"input_ids": torch.tensor([[2, 9, 3]]), "attention_mask": torch.ones(1, 3).long()}
    mean = again.base_model(**batch).last_hidden_state.mean(1)
    torch.testing.assert_close(again(**batch).logits, again.pooled_head(mean))


def test_a_saved_head_that_lacks_weights_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    load_classifier(tiny_bert, TASK, "eager", 0, pooling="cls").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["pooled_head.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(SteepError, match=r"not a trained classifier \(pooled_head.weight missing"):
        load_trained(tmp_path, "eager")
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(SteepError, match="its weights cannot be read"):
        load_trained(tmp_path, "eager")


def test_an_adapted_encoder_is_grafted_under_every_pooling(
    tiny_bert: Path, bert_copy: Callable[..., Path]
) -> None:
    from transformers import BertForMaskedLM

    adapted = bert_copy(BertForMaskedLM, noise=0.1)
    donor = AutoModel.from_pretrained(adapted).state_dict()
    for pooling in ("mean", "layer:1"):
        base, grafted = (
            load_classifier(tiny_bert, TASK, "eager", 0, encoder, pooling)
            for encoder in (None, adapted)
        )
        assert torch.equal(base.pooled_head.weight, grafted.pooled_head.weight)
        for name, value in grafted.base_model.state_dict().items():
            assert torch.equal(value, donor[name])


@pytest.mark.parametrize(
    ("pooling", "told"),
    [
        ("median", "must be model, cls, mean, last4, concat or layer:K"),
        ("mean:2", "must be model"),
        ("layer", "choose layer:1 to layer:2"),
        ("layer:3", "choose layer:1 to layer:2"),
        ("layer:0", "choose layer:1 to layer:2"),
        ("last4", "has 2 layers only"),
    ],
)
def test_a_pooling_that_cannot_be_is_refused(tiny_bert: Path, pooling: str, told: str) -> None:
    with pytest.raises(SteepError, match=told):
        load_classifier(tiny_bert, TASK, "eager", 0, pooling=pooling)


def test_the_head_follows_from_the_seed(tiny_bert: Path) -> None:
    heads = [
        load_classifier(tiny_bert, TASK, "eager", seed, pooling="mean").pooled_head.weight
        for seed in (0, 0, 1)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


Build = Callable[..., PreTrainedModel]
ROWS = [
    torch.randint(5, 60, (n,), generator=torch.Generator().manual_seed(n)) for n in range(4, 12)
]


def laid(rows: list[Tensor], length: int) -> Tensor:
    """Ids and mask (rows, 2, length), filled up at the end."""
    found = torch.ones(len(rows), 2, length, dtype=torch.int64)
    found[:, 1] = 0
    for place, row in zip(found, rows, strict=True):
        place[0, : len(row)], place[1, : len(row)] = row, 1
    return found


@pytest.fixture(params=["model", "mean", "concat"])
def reader(request: pytest.FixtureRequest, family: PreTrainedConfig, build: Build) -> Classifier:
    """A classifier, with its own head or a pooling, of a family whose outputs may be kept."""
    if request.param == "model":
        model = build(AutoModelForSequenceClassification, family)
    else:
        set_pooling(family, request.param)
        model = PooledClassifier(build(AutoModel, family))
    assert model.config.model_type in KNOWN
    return Classifier(model.eval(), autocast=None)


def keep(reader: Classifier) -> FeatureCache:
    """Keep what is read of all rows but the last two, of one of them twice."""
    reader.cache = FeatureCache(reader.model, reader.reads_first)
    reader.cache.fill(reader, [laid(ROWS[:4], 9), laid(ROWS[3:6], 14)])
    return reader.cache


def counted(reader: Classifier) -> list[int]:
    """Grows by one whenever a layer of the encoder is computed."""
    called = list[int]()
    for layer in encoder_layers(reader.model.base_model):
        first = next(m for m in layer.modules() if isinstance(m, nn.Linear))
        first.register_forward_hook(lambda *_: called.append(1))
    return called


@torch.no_grad()
def test_every_family_gives_the_same_with_other_neighbours_and_padding(reader: Classifier) -> None:
    other, unknown = laid(ROWS[5:2:-1], 12), laid(ROWS[5:], 12)
    plain = [reader(other), reader(unknown)]
    keep(reader)
    called = counted(reader)
    torch.testing.assert_close(reader(other), plain[0], atol=1e-5, rtol=1e-4)
    assert not called
    assert torch.equal(reader(unknown), plain[1])
    assert called


@torch.no_grad()
def test_the_same_batches_give_the_same_bits(reader: Classifier) -> None:
    once, again = keep(reader).kept, keep(reader).kept
    assert once.keys() == again.keys()
    assert all(torch.equal(state, again[key]) for key, state in once.items())


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fast_layers_keep_what_is_read_and_no_more(
    family: PreTrainedConfig, build: Build, dtype: torch.dtype
) -> None:
    model = build(AutoModelForSequenceClassification, family).eval()
    kernels.install(model, 0, dtype)
    reader = Classifier(model, autocast=None)
    plain = reader(laid(ROWS[:4], 9))
    kept = keep(reader).kept.values()
    assert len(kept) == 6, "every row once"
    assert not any(state.isnan().any() for state in kept)
    if reader.reads_first:
        assert {len(state) for state in kept} == {1}
    else:
        assert sorted(map(len, kept)) == sorted(map(len, ROWS[:6]))
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(reader(laid(ROWS[:4], 9)), plain, atol=tolerance, rtol=1e-4)


def test_dropout_and_gradients_of_the_head_are_its_own(reader: Classifier) -> None:
    keep(reader)
    rows = laid(ROWS[:4], 9)
    reader.train()
    reader.model.base_model.eval().requires_grad_(False)
    loss = reader(rows).pow(2).sum()
    loss.backward()
    trained = [p for p in reader.parameters() if p.requires_grad]
    assert trained
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in trained)
    again = reader(rows).pow(2).sum().detach()
    dropout = any(m.p > 0 for m in reader.modules() if isinstance(m, nn.Dropout) and m.training)
    assert (float(again) != float(loss.detach())) == dropout


@torch.no_grad()
def test_what_is_kept_is_counted(reader: Classifier) -> None:
    cache = keep(reader)
    tokens = sum(map(len, ROWS[:6]))
    assert cache.numbers(tokens, 6) == sum(state.numel() for state in cache.kept.values())


THREE = Task("single", ("no", "yes", "perhaps"))
BATCH = {
    "input_ids": torch.tensor([[2, 9, 11, 7, 3], [2, 8, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


@pytest.fixture
def saved(tiny_bert: Path, tmp_path: Path) -> tuple[PooledClassifier, Path]:
    model = load_classifier(tiny_bert, THREE, "eager", 0, pooling="mean").eval()
    torch.nn.init.normal_(model.pooled_head.bias)
    model.save_pretrained(tmp_path)
    return model, tmp_path


@torch.no_grad()
def logits(model: torch.nn.Module) -> Tensor:
    return model(**BATCH).logits


def test_transformers_computes_the_same(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert type(theirs).__name__ == "BertForSequenceClassification"
    assert theirs.config.id2label == {0: "no", 1: "yes", 2: "perhaps"}
    torch.testing.assert_close(logits(theirs), logits(model), atol=5e-3, rtol=0)


def test_steep_reads_its_own_bits(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    again = load_trained(folder, "eager")
    assert isinstance(again, PooledClassifier)
    assert torch.equal(logits(again), logits(model))


@torch.no_grad()
def test_sentence_embeddings_keep_their_direction(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    mask = BATCH["attention_mask"][..., None]
    own, theirs = (
        (encoder(**BATCH).last_hidden_state * mask).sum(1) / mask.sum(1)
        for encoder in (model.base_model, AutoModel.from_pretrained(folder).eval())
    )
    own = own - own.mean(1, keepdim=True)
    assert torch.cosine_similarity(own, theirs).min() > 0.999


def test_a_fit_starts_from_its_encoder(saved: tuple[PooledClassifier, Path]) -> None:
    model, folder = saved
    again = load_classifier(folder, THREE, "eager", 1, pooling="mean")
    for name, weight in model.base_model.state_dict().items():
        assert torch.equal(weight, again.base_model.state_dict()[name])
    assert len(checkpoint_notes(again)) == 1


def test_what_others_trained_on_is_theirs(saved: tuple[PooledClassifier, Path]) -> None:
    _, folder = saved
    weights = load_file(folder / "model.safetensors")
    weights["bert.pooler.dense.bias"] = weights["bert.pooler.dense.bias"] + 0.5
    save_file(weights, folder / "model.safetensors")
    assert not averages(read_checkpoint(folder))
    again = load_trained(folder, "eager")
    assert type(again).__name__ == "BertForSequenceClassification"
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    assert again.config.num_hidden_layers == layers
