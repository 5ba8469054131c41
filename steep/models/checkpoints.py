"""How is a checkpoint loaded, and how does an adapted encoder get into a classifier?

The hand-off between step 2 and step 3 is where others lose the pooler: `BertForMaskedLM` has none,
so a classifier loaded from its checkpoint starts with a random one (transformers#8793, #8887).
Steep carries the pooler along in the adapted checkpoint, and grafts the adapted encoder into the
classifier that is built from the base checkpoint: only encoder weights differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import HFValidationError
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from steep.console import say
from steep.data.corpus import Task, TaskKind
from steep.errors import SteepError
from steep.seeds import derive

logging.set_verbosity_error()
logging.disable_progress_bar()
hub_logging.set_verbosity_error()

OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
PROBLEMS: dict[TaskKind, str] = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}


@dataclass(frozen=True)
class MaskedLanguageModel:
    """A masked language model, with what is needed to hand it on.

    `new_head` tells that the checkpoint had no usable head; `pooler` holds the base checkpoint's
    pooler weights under the names they have in it, empty where it has none.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    new_head: bool
    pooler: dict[str, Tensor]

    def save(self, folder: Path) -> None:
        """Write a Hugging Face checkpoint, pooler included."""
        weights = self.model.state_dict() | self.pooler
        self.model.save_pretrained(folder, state_dict=weights)
        self.tokenizer.save_pretrained(folder)


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint; SteepError if it cannot be loaded or is no fast one."""
    tokenizer = _load(AutoTokenizer.from_pretrained, name)
    if not tokenizer.is_fast:
        raise SteepError(
            f"{name}: has no fast tokenizer (tokenizer.json). Choose a checkpoint with one."
        )
    return tokenizer


def load_masked_lm(name: str | Path, attention: str, seed: int) -> MaskedLanguageModel:
    """A checkpoint with its masked-LM head, in fp32.

    A missing head is made new, from the stream "head", its decoder tied to the embeddings.
    Raises SteepError when the checkpoint cannot be loaded or is no masked language model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        model, info = _load(AutoModelForMaskedLM.from_pretrained, name, attention)
    prefix = model.base_model_prefix + "."
    encoder = [key for key in info["missing_keys"] if key.startswith(prefix)]
    if encoder:
        raise SteepError(f"{name}: the encoder's weights are incomplete: {_some(encoder)} missing.")
    headless = any(not key.endswith("bias") for key in info["missing_keys"])
    if headless:  # also where the checkpoint's configuration says untied, of a head it has not
        model.config.tie_word_embeddings = True
        model.tie_weights()
    return MaskedLanguageModel(model, load_tokenizer(name), headless, _pooler(name, model))


def load_classifier(
    name: str | Path, task: Task, attention: str, seed: int, encoder: Path | None = None
) -> PreTrainedModel:
    """A classifier for `task` built from checkpoint `name`, in fp32; its head from stream "head".

    With `encoder`, that checkpoint's encoder weights are grafted in; everything else stays as it
    would be without. Raises SteepError when a checkpoint cannot be loaded or does not fit.
    """
    config = _load(AutoConfig.from_pretrained, name)
    config.num_labels = len(task.labels)
    config.id2label = dict(enumerate(task.labels))
    config.label2id = {label: index for index, label in enumerate(task.labels)}
    config.problem_type = PROBLEMS[task.kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        model, _ = _load(
            AutoModelForSequenceClassification.from_pretrained, name, attention, config
        )
    if encoder is not None:
        graft(encoder, model)
    return model


def load_trained(folder: Path, attention: str) -> PreTrainedModel:
    """A classifier as it was trained; SteepError if the checkpoint has no trained head."""
    model, info = _load(AutoModelForSequenceClassification.from_pretrained, folder, attention)
    if info["missing_keys"]:
        raise SteepError(
            f"{folder}: not a trained classifier ({_some(info['missing_keys'])} missing). "
            "Train one with 'steep fit'."
        )
    return model


def graft(source: Path, model: PreTrainedModel) -> None:
    """Copy the encoder weights of checkpoint `source` into `model`, in place.

    Weights that `source` lacks (a pooler, after plain masked-LM training) keep those of `model`.
    """
    donor, info = _load(AutoModel.from_pretrained, source)
    given = {k: v for k, v in donor.state_dict().items() if k not in info["missing_keys"]}
    own = model.base_model.state_dict()
    lacking = [k for k in own if k not in given and not k.startswith("pooler.")]
    surplus = [k for k in given if k not in own and not k.startswith("pooler.")]
    misfits = [k for k in own if k in given and own[k].shape != given[k].shape]
    if lacking or surplus or misfits:
        raise SteepError(
            f"{source}: its encoder does not fit the checkpoint {model.config.name_or_path}: "
            f"{_some(lacking or surplus or misfits)}. Use the checkpoint that it was adapted from."
        )
    model.base_model.load_state_dict({k: given[k] for k in own if k in given}, strict=False)


def longest(model: PreTrainedModel, wanted: int) -> int:
    """The tokens of an input that the model has positions for; `wanted` if there is no limit."""
    config = model.config.to_dict()
    # RoBERTa-like models number their positions from pad + 1 on.
    offset = config["pad_token_id"] + 1 if config["model_type"] in OFFSET_POSITIONS else 0
    return config.get("max_position_embeddings", wanted + offset) - offset


def check_length(max_length: int, model: PreTrainedModel) -> None:
    """Raises SteepError if the model has no positions for inputs of `max_length` tokens."""
    most = longest(model, max_length)
    if not 8 <= max_length <= most:
        raise SteepError(
            f"max_length {max_length}: the checkpoint takes 8 to {most} tokens. Choose within that."
        )


def _pooler(name: str | Path, model: PreTrainedModel) -> dict[str, Tensor]:
    """The checkpoint's pooler weights, if it has them and the masked-LM model has not."""
    whole, info = _load(AutoModel.from_pretrained, name)
    own = model.base_model.state_dict()
    prefix = model.base_model_prefix + "."
    return {
        prefix + key: value
        for key, value in whole.state_dict().items()
        if key not in own and key not in info["missing_keys"]
    }


def find(name: str | Path) -> Path:
    """The folder of a checkpoint: itself, or what the hub's cache holds; fetched once if need be.

    Raises SteepError if there is no such folder, or the hub cannot be asked.
    """
    folder = Path(name)
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return folder
        raise SteepError(f"{name}: not a checkpoint folder (it has no config.json).")
    try:
        return Path(snapshot_download(str(name), local_files_only=True))
    except HFValidationError:
        raise SteepError(
            f"{name}: there is no such folder, and no hub model of that name."
        ) from None
    except LocalEntryNotFoundError:
        say(f"{name}: no folder of this name; asking the Hugging Face hub ...")
    try:
        return Path(snapshot_download(str(name), allow_patterns=HUB_FILES))
    except (HfHubHTTPError, OSError) as error:
        raise SteepError(
            f"{name}: there is no such folder, and the Hugging Face hub gave nothing "
            f"({type(error).__name__}). Check the name and the connection, or name a folder."
        ) from None


def _load(
    loader: Callable[..., Any], name: str | Path, attention: str | None = None, config: Any = None
) -> Any:
    """What `loader` makes of a checkpoint; models come with their loading report, in fp32."""
    options: dict[str, Any] = {}
    if loader not in (AutoTokenizer.from_pretrained, AutoConfig.from_pretrained):
        options = {"dtype": torch.float32, "output_loading_info": True, "use_safetensors": True}
        options |= {"config": config} if config else {}
        options |= {"attn_implementation": attention} if attention else {}
    try:
        return loader(find(name), local_files_only=True, trust_remote_code=False, **options)
    except SafetensorError as error:
        raise SteepError(f"{name}: its weights cannot be read ({error}). Copy it again.") from None
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SteepError(f"{name}: no checkpoint that can be used: {reason}") from error


def _some(keys: Any) -> str:
    keys = sorted(keys)
    return ", ".join(keys[:2]) + (f" and {len(keys) - 2} more" if len(keys) > 2 else "")
