"""How is a checkpoint loaded, and how does an adapted encoder get into a classifier?

The hand-off between step 2 and step 3 is where others lose the pooler: `BertForMaskedLM` has none,
so a classifier loaded from its checkpoint starts with a random one (transformers#8793, #8887).
Steep carries the pooler along in the adapted checkpoint, and grafts the adapted encoder into the
classifier that is built from the base checkpoint: only encoder weights differ.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from steep.data.corpus import Task, TaskKind
from steep.errors import SteepError
from steep.models import families
from steep.models.families import longest
from steep.models.hub import find
from steep.models.pooling import PooledClassifier, is_pooled, load_pooled, set_pooling
from steep.models.pretraining_heads import MASKED_HEAD, PretrainingHeads
from steep.seeds import derive
from steep.wording import some

logging.set_verbosity_error()
logging.disable_progress_bar()

PROBLEMS: dict[TaskKind, str] = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}


@dataclass(frozen=True)
class MaskedLanguageModel:
    """A masked language model, with what is needed to hand it on.

    `new_head` tells that the checkpoint had no usable masked-LM head, `new_further_head` that
    weights of a further one were made new. `pooler` holds the base checkpoint's pooler weights
    under the names they have in it, empty where it has none or the model trains it. `notes` says
    what the user should know of the checkpoint. `outputs` are the names of the model's outputs that
    are trained, logits of masked tokens first.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    new_head: bool
    pooler: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("logits",)
    new_further_head: bool = False

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


def load_masked_lm(
    name: str | Path, attention: str, seed: int, heads: PretrainingHeads = MASKED_HEAD
) -> MaskedLanguageModel:
    """A checkpoint with its masked-LM head, and with further `heads` where these say so, in fp32.

    A missing head is made new, from the stream "head"; the decoder of a new masked-LM head is tied
    to the embeddings. Raises SteepError when the checkpoint cannot be loaded, cannot have such
    heads, or has another model's tokenizer.
    """
    config, names = _config(name)
    families.use_own_head(config, names)
    outputs = heads.outputs(name, config)
    # What was drawn before must not matter, nor what is drawn here later.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        model, info = _load(heads.auto.from_pretrained, name, attention, config)
    new = {key for key in info["missing_keys"] if heads.is_new(key)}
    lacking = info["missing_keys"] - new
    prefix = model.base_model_prefix + "."
    encoder = [key for key in lacking if key.startswith(prefix)]
    if encoder:
        raise SteepError(f"{name}: the encoder's weights are incomplete: {_few(encoder)} missing.")
    headless = any(not key.endswith("bias") for key in lacking)
    if headless:  # also where its configuration says "untied", of a head that it does not have
        model.config.tie_word_embeddings = True
        model.tie_weights()
    tokenizer = load_tokenizer(name)
    families.check_tokenizer(tokenizer, model)
    notes = [*families.tokenizer_note(tokenizer, model), *heads.notes(name, new)]
    if headless:
        notes.append(families.no_head(name, find(name), names))
    pooler = _pooler(name, model)
    return MaskedLanguageModel(
        model, tokenizer, headless, pooler, tuple(notes), outputs, new_further_head=bool(new)
    )


def load_classifier(
    name: str | Path,
    task: Task,
    attention: str,
    seed: int,
    encoder: Path | None = None,
    pooling: str = "model",
) -> PreTrainedModel:
    """A classifier for `task` built from checkpoint `name`, in fp32; its head from stream "head".

    With `encoder`, that checkpoint's encoder weights are grafted in; everything else stays as it
    would be without. With another `pooling` than the checkpoint's own head, a `PooledClassifier`.
    Raises SteepError when a checkpoint cannot be loaded or does not fit.
    """
    config, _ = _config(name)
    config.num_labels = len(task.labels)
    config.id2label = dict(enumerate(task.labels))
    config.label2id = {label: index for index, label in enumerate(task.labels)}
    config.problem_type = PROBLEMS[task.kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        if pooling == "model":
            loader = AutoModelForSequenceClassification.from_pretrained
            model, _ = _load(loader, name, attention, config)
        else:
            set_pooling(config, pooling)
            model = PooledClassifier(_load(AutoModel.from_pretrained, name, attention, config)[0])
    if encoder is not None:
        graft(encoder, model)
    return model


def load_trained(folder: Path, attention: str) -> PreTrainedModel:
    """A classifier as it was trained; SteepError if the checkpoint has no trained head."""
    with _readable(folder):
        pooled = load_pooled(folder, attention) if is_pooled(folder) else None
    if pooled is not None:
        model, missing = pooled
    else:
        loader = AutoModelForSequenceClassification.from_pretrained
        model, info = _load(loader, folder, attention)
        missing = info["missing_keys"]
    if missing:
        raise SteepError(
            f"{folder}: not a trained classifier ({_few(missing)} missing). "
            "Train one with 'steep fit'."
        )
    return model


def graft(source: Path, model: PreTrainedModel) -> None:
    """Copy the encoder weights of checkpoint `source` into `model`, in place.

    Weights that `source` lacks (a pooler, after plain masked-LM training) keep those of `model`.
    """
    config = _load(AutoConfig.from_pretrained, source)
    if model.config.to_dict().get("steep_pooling", "").startswith("layer:"):  # cut off above it
        config.num_hidden_layers = model.config.num_hidden_layers
    donor, info = _load(AutoModel.from_pretrained, source, config=config)
    given = {k: v for k, v in donor.state_dict().items() if k not in info["missing_keys"]}
    own = model.base_model.state_dict()
    lacking = [k for k in own if k not in given and not k.startswith("pooler.")]
    surplus = [k for k in given if k not in own and not k.startswith("pooler.")]
    misfits = [k for k in own if k in given and own[k].shape != given[k].shape]
    if lacking or surplus or misfits:
        raise SteepError(
            f"{source}: its encoder does not fit the checkpoint {model.config.name_or_path}: "
            f"{_few(lacking or surplus or misfits)}. Use the checkpoint that it was adapted from."
        )
    model.base_model.load_state_dict({k: given[k] for k in own if k in given}, strict=False)


def check_length(max_length: int, model: PreTrainedModel) -> None:
    """Raises SteepError if the model has no positions for inputs of `max_length` tokens."""
    most = longest(model, max_length)
    if not 8 <= max_length <= most:
        raise SteepError(
            f"max_length {max_length}: the checkpoint takes 8 to {most} tokens. Choose within that."
        )


def _config(name: str | Path) -> tuple[Any, list[str]]:
    """The configuration and the names of the weights of an encoder; SteepError if it is none."""
    config = _load(AutoConfig.from_pretrained, name)
    families.check_encoder(name, config)
    return config, families.weight_names(find(name))


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


def _load(
    loader: Callable[..., Any], name: str | Path, attention: str | None = None, config: Any = None
) -> Any:
    """What `loader` makes of a checkpoint; models come with their loading report, in fp32."""
    options: dict[str, Any] = {}
    if loader not in (AutoTokenizer.from_pretrained, AutoConfig.from_pretrained):
        options = {"dtype": torch.float32, "output_loading_info": True, "use_safetensors": True}
        options |= {"config": config} if config else {}
        options |= {"attn_implementation": attention} if attention else {}
    with _readable(name):
        return loader(find(name), local_files_only=True, trust_remote_code=False, **options)


@contextmanager
def _readable(name: str | Path) -> Iterator[None]:
    """What goes wrong while checkpoint `name` is read, as a SteepError that names it."""
    try:
        yield
    except SafetensorError as error:
        raise SteepError(f"{name}: its weights cannot be read ({error}). Copy it again.") from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SteepError(f"{name}: no checkpoint that can be used: {reason}") from error


def _few(keys: Iterable[str]) -> str:
    return some(sorted(keys), most=2)
