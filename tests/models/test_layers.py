"""Do the layer groups of every family hold each parameter once, from the bottom to the top?"""

import re
from collections.abc import Callable

import pytest
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from steep.models.layers import layer_groups

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
