"""What does step 2 learn? To predict masked tokens; what else is a value that is handed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from steep.args.pretraining import PretrainArgs
from steep.data.corpus import Corpus
from steep.data.inputs import frame
from steep.data.tokens import check_known, tokenize
from steep.launch import here
from steep.models import kernels
from steep.models.masked_lm import MASKED_HEAD, MaskedLanguageModel, MaskedLM, PretrainingHeads
from steep.objectives.masking import vocabulary
from steep.train import engine
from steep.train.callbacks import Epochs
from steep.train.engine import Accumulation, Cut, Part, Tensors
from steep.train.heldout import Measure
from steep.train.pile import IGNORED, ROUND, Pile, Source
from steep.train.ranks import own_parts


def windows_of(text: Corpus, lm: MaskedLanguageModel, pretrain: PretrainArgs) -> Pile:
    """A text as windows of tokens, several documents to a window where they are packed."""
    objective, tokens = pretrain.objective, tokenize(text, lm.tokenizer)
    check_known(lm.tokenizer, [tokens])
    pile = Pile(
        tokens,
        frame(lm.tokenizer),
        vocabulary(lm.tokenizer, objective.masking),
        pretrain.length.max_length,
        objective.mlm_probability,
        objective.masking,
    )
    return pile.packing() if pretrain.packing.pack else pile


def masked_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of the masked positions, in fp32; on a CPU without fp32 logits."""
    if logits.device.type == "cpu":
        return kernels.cross_entropy(logits, labels, IGNORED)
    return cross_entropy(logits.float(), labels, ignore_index=IGNORED)


def cut_masked(inputs: Tensors, labels: Tensors, parts: int) -> list[Part]:
    """A masked batch (see `pile.Pile`) as so many parts of as many rows, give or take one.

    The mean loss of a part counts by its share of the masked tokens. A batch of fewer rows has
    fewer parts; one with a part in which nothing is masked, and so without a mean, is not cut.
    """
    rows = len(inputs[0])
    edges = np.linspace(0, rows, min(parts, rows) + 1).astype(int)
    found = [_masked_part(inputs, labels, a, b) for a, b in pairwise(edges)]
    if len(found) == 1 or not all(part.share for part in found):
        return [Part(inputs, labels)]
    return found


def share_of(part: Tensor, whole: Tensor) -> Tensor:
    """How much of what is true in `whole` is in `part`, as a share, ()."""
    return part.sum() / whole.sum().clamp(min=1)


def _masked_part(inputs: Tensors, labels: Tensors, start: int, end: int) -> Part:
    """The rows from `start` up to, not with, `end`: masked positions are those of the part."""
    (rows, positions), (tokens,) = inputs, labels
    length = rows.shape[-1]
    real = tokens != IGNORED
    inside = real & (positions >= start * length) & (positions < end * length)
    fill = (0, -int(inside.sum()) % ROUND)
    own = pad(positions[inside] - start * length, fill), pad(tokens[inside], fill, value=IGNORED)
    return Part((rows[start:end], own[0]), (own[1],), share_of(inside, real))


@dataclass(frozen=True)
class Objective:
    """What a language model learns, from the checkpoint's heads to what is measured.

    `heads` says how the checkpoint is loaded, `pile` makes batches of a text. `loss` takes what the
    model gives of a batch and the batch's labels; `cut` makes parts of a batch for gradient
    accumulation. `measures` makes the callbacks that measure more than masked tokens on held-out
    text, anew for each run.
    """

    heads: PretrainingHeads = MASKED_HEAD
    pile: Callable[[Corpus, MaskedLanguageModel, PretrainArgs], Source] = windows_of
    loss: Callable[..., Tensor] = masked_loss
    cut: Cut = cut_masked
    measures: Callable[[], Sequence[Measure]] = tuple


def masked_learner(
    model: MaskedLM, dls: DataLoaders, pretrain: PretrainArgs, objective: Objective
) -> Learner:
    """A `Learner` that trains a masked language model on the batches of `pile.loaders`."""
    callbacks: list[Callback] = [Epochs(dls.train.dataset)]
    parts = pretrain.memory.gradient_accumulation_steps * here().count
    if parts > 1:
        cut = own_parts(lambda xs, ys: objective.cut(xs, ys, parts))
        callbacks.append(Accumulation(cut))
    return engine.learner_of(dls, model, objective.loss, pretrain.optimiser, callbacks)
