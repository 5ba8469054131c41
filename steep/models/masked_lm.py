"""How is a checkpoint loaded for step 2, with its masked-LM head, and how is it handed on?"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from steep.models import hub, kernels
from steep.models.checkpoint_files import CheckpointFiles
from steep.models.checkpoints import (
    checkpoint_notes,
    drawn_model,
    encoder_files,
    keep_notes,
    load_tokenizer,
)
from steep.models.families import check_tokenizer, tokenizer_note
from steep.models.heads import autocasting, channels_of, keywords
from steep.models.loading import refuse_misfits, unused_notes

SENTENCES = "modules.json"  # what sentence-transformers writes beside a model
DISCRIMINATORS = ("discriminator_predictions.", "mask_predictions.")
DEBERTA_HEAD = "lm_predictions."

Outputs = Callable[[str | Path, PreTrainedConfig], tuple[str, ...]]


@dataclass(frozen=True)
class PretrainingHeads:
    """The class of transformers that loads a checkpoint, and what is asked of that model.

    `outputs` gives the names of the model's outputs that are trained, logits of masked tokens
    first; it raises SteepError where the checkpoint (its name, its configuration) cannot have such
    heads. A missing weight for which `is_new` holds is made new by design: it belongs to a further
    head. `notes` says what the user should know of these.
    """

    auto: Any = AutoModelForMaskedLM
    outputs: Outputs = lambda name, config: ("logits",)
    is_new: Callable[[str], bool] = lambda weight: False
    notes: Callable[[str | Path, Iterable[str]], list[str]] = lambda name, missing: []


MASKED_HEAD = PretrainingHeads()


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
        hub.carry(Path(str(self.model.name_or_path)), folder)


def load_masked_lm(
    name: str | Path, attention: str | None, seed: int, heads: PretrainingHeads = MASKED_HEAD
) -> MaskedLanguageModel:
    """A checkpoint with its masked-LM head, and with further `heads` where these say so, in fp32.

    A missing head is made new, from the stream "head"; the decoder of a new masked-LM head is tied
    to the embeddings. Raises SteepError when the checkpoint cannot be loaded, cannot have such
    heads, or has another model's tokenizer.
    """
    config, files = encoder_files(name)
    _use_own_head(config, files.shapes)
    outputs = heads.outputs(name, config)
    loaded = drawn_model(seed, heads.auto, files, config, attention)
    model, new = loaded.model, {key for key in loaded.missing if heads.is_new(key)}
    refuse_misfits(files.name, loaded.misfits)
    headless = any(not key.endswith("bias") for key in loaded.missing - new)
    if headless:  # also where its configuration says "untied", of a head that it does not have
        model.config.tie_word_embeddings = True
        model.tie_weights()
    tokenizer = load_tokenizer(name)
    check_tokenizer(tokenizer, model)
    keep_notes(model, [*unused_notes(files, loaded), *tokenizer_note(tokenizer, model)])
    notes = [*checkpoint_notes(model), *heads.notes(name, new)]
    if headless:
        notes.append(_no_head(name, files.folder, files.shapes))
    pooler = _pooler(files, config, model)
    return MaskedLanguageModel(
        model, tokenizer, headless, pooler, tuple(notes), outputs, new_further_head=bool(new)
    )


def _pooler(
    files: CheckpointFiles, config: PreTrainedConfig, model: PreTrainedModel
) -> dict[str, Tensor]:
    """The checkpoint's pooler weights, if it has them and the masked-LM model has not."""
    if not any("pooler." in key for key in files.shapes):
        return {}
    loaded = drawn_model(0, AutoModel, files, config)
    own = model.base_model.state_dict()
    prefix = model.base_model_prefix + "."
    return {
        prefix + key: value
        for key, value in loaded.model.state_dict().items()
        if key not in own and key not in loaded.new
    }


def _use_own_head(config: PreTrainedConfig, names: Iterable[str]) -> None:
    """Let transformers find the head of DeBERTa v1 and v2, which it overlooks by default.

    Their checkpoints name it `lm_predictions`, read only with `legacy` off (transformers#18674).
    DeBERTa-v3 has weights of that name, too, beside its discriminator's, but was not trained to
    predict tokens: those are left alone.
    """
    discriminator = any(name.startswith(DISCRIMINATORS) for name in names)
    if any(name.startswith(DEBERTA_HEAD) for name in names) and not discriminator:
        config.legacy = False


def _no_head(name: str | Path, folder: Path, names: Iterable[str]) -> str:
    """Why a checkpoint without a usable masked-LM head has none, in a sentence."""
    new = "has no masked-LM head: a new one is trained first, alone"
    if any(weight.startswith(DISCRIMINATORS) for weight in names):
        return f"{name} was trained as a discriminator (as ELECTRA and DeBERTa-v3 are), so it {new}"
    if (folder / SENTENCES).is_file():
        return f"{name} is a sentence-transformers checkpoint: its transformer is used; it {new}"
    return f"{name} {new}"


class MaskedLM(nn.Module):
    """`batch` as above and `positions` int64 (m,) in the flattened batch -> logits (m, vocabulary).

    `outputs` names what is taken of the model's outputs, these logits first. Where there are more,
    all come as a tuple, the further ones as the model gives them.

    Only the masked positions pass through the head: the vocabulary projection over all positions
    costs a small model more than its encoder. Heads work position by position, so gathering before
    the head gives the logits that gathering after it would.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        autocast: torch.dtype | None,
        outputs: Sequence[str] = ("logits",),
    ) -> None:
        super().__init__()
        self.model, self.autocast, self.outputs = model, autocast, tuple(outputs)
        self.positions: Tensor | None = None
        self.channels = channels_of(model)
        # Between encoder and head, in any model: the head sees the masked positions alone.
        model.base_model.register_forward_hook(self._gather)

    def forward(self, batch: Tensor, positions: Tensor) -> Tensor | tuple[Tensor, ...]:
        self.positions = positions
        with autocasting(batch, self.autocast), self._reading(batch):
            found = self.model(**keywords(batch, self.channels))
        self.positions = None
        masked, *further = (found[name] for name in self.outputs)
        masked = masked.squeeze(0)
        return (masked, *further) if further else masked

    def _reading(self, batch: Tensor) -> AbstractContextManager:
        if len(self.outputs) > 1:  # a further head may read any position
            return nullcontext()
        return kernels.reading(self.model, batch[:, 0].shape, self.positions)

    def _gather(self, encoder: nn.Module, inputs: tuple, output: dict) -> dict:
        if self.positions is not None:
            hidden = output["last_hidden_state"]
            # A first dimension that is squeezed away again: the backward pass copies no logits so.
            output["last_hidden_state"] = hidden.flatten(0, 1)[self.positions].unsqueeze(0)
        return output
