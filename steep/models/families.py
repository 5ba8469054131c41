"""Can Steep train an encoder of this family, and where are its layers, positions and segments?

Encoders that predict masked tokens are taken: BERT, RoBERTa, DistilBERT, ALBERT, ELECTRA, DeBERTa,
ModernBERT, MPNet and whatever else transformers has an `AutoModelForMaskedLM` for.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    __version__,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from steep.errors import SteepError
from steep.seeds import derive
from steep.wording import quoted

FEW_KNOWN = 0.95  # share of a model's embeddings below which the tokenizer looks like another's


def check_known(name: str | Path, kind: str, own_code: bool) -> None:
    """Raises SteepError unless transformers knows the model type `kind`.

    `own_code` tells that the checkpoint comes with code for it, which is never run.
    """
    if kind in CONFIG_MAPPING:
        return
    code = "; it comes with code of its own, which Steep does not run" if own_code else ""
    raise SteepError(
        f"{name}: transformers {__version__} does not know the model type {quoted(kind)} of its "
        f"config.json{code}. Choose another checkpoint."
    )


def check_encoder(name: str | Path, config: PreTrainedConfig) -> None:
    """Raises SteepError unless the checkpoint is an encoder with a masked language model."""
    kind = config.model_type
    if config.is_encoder_decoder:
        what = f"'{kind}' is an encoder with a decoder"
    elif kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        what = f"'{kind}' is not a masked language model (GPT-like models read from left to right)"
    else:
        return
    raise SteepError(
        f"{name}: {what}; Steep trains encoders such as BERT, RoBERTa, DeBERTa or ModernBERT. "
        "Choose one of those."
    )


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Raises SteepError if the tokenizer gives tokens that the model has no embedding for."""
    name, rows = tokenizer.name_or_path, _embeddings(model)
    word, highest = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if highest >= rows:
        raise SteepError(
            f"{name}: its tokenizer numbers tokens up to {highest:,} ({quoted(word)}), but the "
            f"model knows {rows:,} only. Use the tokenizer that the model was trained with."
        )
    own, pad = tokenizer.pad_token_id, model.config.pad_token_id
    if _counted_from(model) and own != pad:
        raise SteepError(
            f"{name}: the tokenizer pads with token {own}, but the model counts positions from "
            f"padding token {pad} on. Use the tokenizer that the model was trained with."
        )


def tokenizer_note(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> list[str]:
    """A doubt about a tokenizer that knows far fewer tokens than the model; mostly none."""
    known, rows = len(tokenizer), _embeddings(model)
    if known >= FEW_KNOWN * rows:
        return []
    return [f"the tokenizer knows {known:,} of the model's {rows:,} tokens: is it the model's own?"]


def longest(model: PreTrainedModel, wanted: int) -> int:
    """The tokens of an input that the model has positions for; `wanted` if there is no limit."""
    config, offset = model.config.to_dict(), _counted_from(model)
    if config.get("position_biased_input") is False:  # DeBERTa: positions are relative alone
        return wanted
    return config.get("max_position_embeddings", wanted + offset) - offset


def knows_segments(model: PreTrainedModel) -> bool:
    """Whether the model tells the two texts of a pair apart by more than the token between them."""
    return model.config.to_dict().get("type_vocab_size", 2) > 1


def _embeddings(model: PreTrainedModel) -> int:
    """The tokens that the model has an embedding for; not all keep them in an `nn.Embedding`."""
    table = model.get_input_embeddings().weight
    assert isinstance(table, Tensor)
    return len(table)


def _counted_from(model: PreTrainedModel) -> int:
    """The first position: 0, or beyond the padding token, as RoBERTa's relatives count."""
    for name, module in model.named_modules():
        if name.endswith("embeddings.position_embeddings") and module.padding_idx is not None:
            return model.config.pad_token_id + 1
    return 0


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
