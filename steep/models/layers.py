"""Which parameters belong to which layer? Layer groups of any encoder, found by structure."""

import torch
from torch import nn
from transformers import PreTrainedModel

from steep.errors import SteepError
from steep.seeds import derive


def layer_groups(model: PreTrainedModel) -> list[list[nn.Parameter]]:
    """The parameters of a model with a head, from the bottom to the top.

    One group for the embeddings, one for each encoder layer, one for the head with whatever stands
    between it and the layers (pooler, last norm). Parameters that are shared between places belong
    to the lowest. The groups partition all parameters: one left out would silently never train.
    """
    encoder = model.base_model
    path, layers = _layers(encoder)
    # What is registered before the stack of layers feeds it: embeddings, projections, a norm.
    stem = list(dict(encoder.named_children())).index(path.split(".")[0])
    below = [child for i, (_, child) in enumerate(encoder.named_children()) if i <= stem]
    in_layers = {id(p) for p in layers.parameters()}
    embeddings = [p for child in below for p in child.parameters() if id(p) not in in_layers]
    groups = _distinct([embeddings, *([*layer.parameters()] for layer in layers)])
    known = {id(p) for group in groups for p in group}
    head = [p for p in model.parameters() if id(p) not in known]
    groups.append(head)
    assert sum(map(len, groups)) == len(list(model.parameters())), "groups must partition the model"
    return groups


def encoder_layers(encoder: nn.Module) -> nn.ModuleList:
    """The layers of an encoder, from the bottom to the top."""
    return _layers(encoder)[1]


def _layers(encoder: nn.Module) -> tuple[str, nn.ModuleList]:
    """Path and stack of the layers: the module list with the most parameters, the outermost."""
    lists = [(n, m) for n, m in encoder.named_modules() if isinstance(m, nn.ModuleList)]
    return max(lists, key=lambda item: sum(p.numel() for p in item[1].parameters()))


def _distinct(groups: list[list[nn.Parameter]]) -> list[list[nn.Parameter]]:
    """The groups without parameters that stood in an earlier one."""
    seen: set[int] = set()
    distinct = []
    for group in groups:
        fresh = list({id(p): p for p in group if id(p) not in seen}.values())
        seen.update(map(id, fresh))
        distinct.append(fresh)
    return distinct


def reinitialise(model: PreTrainedModel, top: int, seed: int) -> None:
    """Give the `top` layers and the pooler of `model` new weights, in place (stream "reinit").

    Source: Zhang et al. 2021, section 4: the top layers of a pretrained encoder have specialised
    on its own task. Raises SteepError if no layer would be left.
    """
    layers = encoder_layers(model.base_model)
    if top >= len(layers):
        raise SteepError(
            f"reinit_layers {top}: the checkpoint has {len(layers)} layers, and at least the "
            "lowest must keep its weights."
        )
    pooler = dict(model.base_model.named_children()).get("pooler")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(derive(seed, "reinit"))
        for part in [*layers[len(layers) - top :], *([pooler] if pooler is not None else [])]:
            for parameter in part.parameters():
                vars(parameter).pop("_is_hf_initialized", None)  # else they count as done
            part.apply(model._init_weights)
