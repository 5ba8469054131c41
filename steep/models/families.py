"""Can Steep train this checkpoint, and has it a masked-LM head of its own?

Encoders that predict masked tokens are taken: BERT, RoBERTa, DistilBERT, ALBERT, ELECTRA, DeBERTa,
ModernBERT, MPNet and whatever else transformers has an `AutoModelForMaskedLM` for.
"""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    __version__,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from steep.errors import SteepError
from steep.wording import quoted

SENTENCES = "modules.json"  # what sentence-transformers writes beside a model
DISCRIMINATORS = ("discriminator_predictions.", "mask_predictions.")
DEBERTA_HEAD = "lm_predictions."
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


def use_own_head(config: PreTrainedConfig, names: Iterable[str]) -> None:
    """Let transformers find the head of DeBERTa v1 and v2, which it overlooks by default.

    Their checkpoints name it `lm_predictions`, read only with `legacy` off (transformers#18674).
    DeBERTa-v3 has weights of that name, too, beside its discriminator's, but was not trained to
    predict tokens: those are left alone.
    """
    discriminator = any(name.startswith(DISCRIMINATORS) for name in names)
    if any(name.startswith(DEBERTA_HEAD) for name in names) and not discriminator:
        config.legacy = False


def no_head(name: str | Path, folder: Path, names: Iterable[str]) -> str:
    """Why a checkpoint without a usable masked-LM head has none, in a sentence."""
    new = "has no masked-LM head: a new one is trained first, alone"
    if any(weight.startswith(DISCRIMINATORS) for weight in names):
        return f"{name} was trained as a discriminator (as ELECTRA and DeBERTa-v3 are), so it {new}"
    if (folder / SENTENCES).is_file():
        return f"{name} is a sentence-transformers checkpoint: its transformer is used; it {new}"
    return f"{name} {new}"


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
