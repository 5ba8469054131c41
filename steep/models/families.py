"""Can Steep train this checkpoint, and has it a masked-LM head of its own? Told by its files.

Encoders that predict masked tokens are taken: BERT, RoBERTa, DistilBERT, ALBERT, ELECTRA, DeBERTa,
ModernBERT, MPNet and whatever else transformers has an `AutoModelForMaskedLM` for.
"""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from steep.errors import SteepError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SENTENCES = "modules.json"  # what sentence-transformers writes beside a model
DISCRIMINATORS = ("discriminator_predictions.", "mask_predictions.")
DEBERTA_HEAD = "lm_predictions."
FEW_KNOWN = 0.95  # share of a model's embeddings below which the tokenizer looks like another's


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
            f"{name}: its tokenizer numbers tokens up to {highest:,} ({word!r}), but the model "
            f"knows {rows:,} only. Use the tokenizer that the model was trained with."
        )
    own, pad = tokenizer.pad_token_id, model.config.pad_token_id
    if _counts_from_padding(model) and own != pad:
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
    config = model.config.to_dict()
    offset = config["pad_token_id"] + 1 if _counts_from_padding(model) else 0
    return config.get("max_position_embeddings", wanted + offset) - offset


def weight_names(folder: Path) -> list[str]:
    """The names of a checkpoint's weights; SteepError where it has no safetensors."""
    if (folder / INDEX).is_file():
        return list(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"])
    if (folder / WEIGHTS).is_file():
        try:
            with safe_open(folder / WEIGHTS, "pt") as file:
                return list(file.keys())
        except SafetensorError as error:
            raise SteepError(
                f"{folder}: its weights cannot be read ({error}). Copy it again."
            ) from None
    pickled = next((path.name for path in sorted(folder.glob("*.bin"))), None)
    what = f"its weights are only in {pickled}, a pickle, which can run code" if pickled else ""
    raise SteepError(
        f"{folder}: {what or 'it holds no weights'}; expected {WEIGHTS}. Choose a checkpoint with "
        "that file, or load this one with transformers where you trust it, and save it again."
    )


def use_own_head(config: PreTrainedConfig, names: list[str]) -> None:
    """Let transformers find the head of DeBERTa v1 and v2, which it overlooks by default.

    Their checkpoints name it `lm_predictions`, read only with `legacy` off (transformers#18674).
    DeBERTa-v3 has weights of that name, too, beside its discriminator's, but was not trained to
    predict tokens: those are left alone.
    """
    discriminator = any(name.startswith(DISCRIMINATORS) for name in names)
    if any(name.startswith(DEBERTA_HEAD) for name in names) and not discriminator:
        config.legacy = False


def no_head(name: str | Path, folder: Path, names: list[str]) -> str:
    """Why a checkpoint without a usable masked-LM head has none, in a sentence."""
    new = "has no masked-LM head: a new one is trained first, alone"
    if any(weight.startswith(DISCRIMINATORS) for weight in names):
        return f"{name} was trained as a discriminator (as ELECTRA and DeBERTa-v3 are), so it {new}"
    if (folder / SENTENCES).is_file():
        return f"{name} is a sentence-transformers checkpoint: its transformer is used; it {new}"
    return f"{name} {new}"


def _embeddings(model: PreTrainedModel) -> int:
    """The tokens that the model has an embedding for."""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table.num_embeddings


def _counts_from_padding(model: PreTrainedModel) -> bool:
    """Whether positions are numbered from the padding token on, as RoBERTa's relatives do."""
    tables = (m for n, m in model.named_modules() if n.endswith("embeddings.position_embeddings"))
    return any(table.padding_idx is not None for table in tables)
