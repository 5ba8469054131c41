"""Do layers whose outputs are kept give, in any batch, what they would compute?"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from steep.models.frozen import KNOWN, Frozen
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from steep.models import kernels
from steep.models.heads import Classifier
from steep.models.layers import encoder_layers

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


@pytest.fixture
def reader(family: PreTrainedConfig, build: Build) -> Classifier:
    """A classifier of a family that may keep what its layers give."""
    model = build(AutoModelForSequenceClassification, family).eval()
    assert model.config.model_type in KNOWN
    reader = Classifier(model, autocast=False)
    reader.frozen = Frozen(model)
    return reader


def keep(reader: Classifier, depths: list[int]) -> Frozen:
    """Keep outputs of all rows but the last two, one of them twice."""
    assert reader.frozen is not None
    reader.frozen.compute(reader, [batch(ROWS[:4], 9), batch(ROWS[3:6], 14)], depths)
    return reader.frozen


@torch.no_grad()
def test_every_family_gives_the_same_with_other_neighbours_and_padding(reader: Classifier) -> None:
    layers = encoder_layers(reader.model.base_model)
    other, unknown = batch(ROWS[5:2:-1], 12), batch(ROWS[5:], 12)
    plain = [reader(other), reader(unknown)]
    frozen, called = keep(reader, [*range(1, len(layers) + 1)]), set[nn.Module]()
    for layer in layers:
        first = next(m for m in layer.modules() if isinstance(m, nn.Linear))
        first.register_forward_hook(lambda module, *_: called.add(module))
    for depth in range(1, len(layers) + 1):
        called.clear()
        frozen.use(depth)
        torch.testing.assert_close(reader(other), plain[0], atol=1e-5, rtol=1e-4)
        assert len(called) == len(layers) - depth
        assert torch.equal(reader(unknown), plain[1])


@torch.no_grad()
def test_what_is_computed_in_steps_is_bit_for_bit_the_same(reader: Classifier) -> None:
    depths = [*range(1, len(encoder_layers(reader.model.base_model)) + 1)]
    at_once = dict(keep(reader, depths).kept)
    assert reader.frozen is not None
    reader.frozen.forget(above=1)
    assert [*reader.frozen.kept] == [1]
    for depth in depths[1:]:
        keep(reader, [depth])
    assert reader.frozen.kept.keys() == at_once.keys()
    assert all(torch.equal(at_once[d], states) for d, states in reader.frozen.kept.items())


@torch.no_grad()
def test_a_last_layer_is_kept_whole_though_the_head_reads_its_first_position(
    family: PreTrainedConfig, build: Build
) -> None:
    model = build(AutoModelForSequenceClassification, family).eval()
    kernels.install(model, 0, torch.float32)
    reader = Classifier(model, autocast=False)
    plain = reader(batch(ROWS[:4], 9))
    reader.frozen = Frozen(model)
    last = len(encoder_layers(model.base_model))
    frozen = keep(reader, [last])
    assert not frozen.kept[last].isnan().any()
    frozen.use(last)
    torch.testing.assert_close(reader(batch(ROWS[:4], 9)), plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_files_have_no_name_and_every_row_once_as_it_was(
    family: PreTrainedConfig, build: Build, tmp_path: Path
) -> None:
    model = build(AutoModelForSequenceClassification, family).eval()
    kernels.install(model, 0, torch.bfloat16)
    reader = Classifier(model, autocast=False)
    reader.frozen = Frozen(model, tmp_path)
    plain = reader(batch(ROWS[:4], 9))
    frozen = keep(reader, [1])
    assert not [*tmp_path.iterdir()]
    assert len(frozen.kept[1]) == sum(map(len, ROWS[:6]))
    frozen.use(1)
    torch.testing.assert_close(reader(batch(ROWS[:4], 9)), plain, atol=0.02, rtol=0)
