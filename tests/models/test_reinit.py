"""Do the top layers, and they alone, get new weights that follow from the seed?"""

from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from steep.errors import SteepError
from steep.models.layers import layer_groups, reinitialise


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
