"""Does a head that reads what was kept say, in any batch, what it would have said?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from steep.models import kernels
from steep.models.feature_cache import KNOWN, FeatureCache
from steep.models.heads import Classifier
from steep.models.layers import encoder_layers
from steep.models.pooling import PooledClassifier, set_pooling

Build = Callable[..., PreTrainedModel]
ROWS = [
    torch.randint(5, 60, (n,), generator=torch.Generator().manual_seed(n)) for n in range(4, 12)
]


def batch(rows: list[Tensor], length: int) -> Tensor:
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
    return Classifier(model.eval(), autocast=False)


def keep(reader: Classifier) -> FeatureCache:
    """Keep what is read of all rows but the last two, of one of them twice."""
    reader.cache = FeatureCache(reader.model, reader.reads_first)
    reader.cache.fill(reader, [batch(ROWS[:4], 9), batch(ROWS[3:6], 14)])
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
    other, unknown = batch(ROWS[5:2:-1], 12), batch(ROWS[5:], 12)
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
    reader = Classifier(model, autocast=False)
    plain = reader(batch(ROWS[:4], 9))
    kept = keep(reader).kept.values()
    assert len(kept) == 6, "every row once"
    assert not any(state.isnan().any() for state in kept)
    if reader.reads_first:
        assert {len(state) for state in kept} == {1}
    else:
        assert sorted(map(len, kept)) == sorted(map(len, ROWS[:6]))
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(reader(batch(ROWS[:4], 9)), plain, atol=tolerance, rtol=1e-4)


def test_dropout_and_gradients_of_the_head_are_its_own(reader: Classifier) -> None:
    keep(reader)
    rows = batch(ROWS[:4], 9)
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
