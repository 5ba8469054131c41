"""How are the top layers of an encoder re-initialised? By their own initialisation, seeded."""

import torch
from transformers import PreTrainedModel

from steep.errors import SteepError
from steep.models.layers import encoder_layers
from steep.seeds import derive


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
