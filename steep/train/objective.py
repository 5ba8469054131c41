"""What does step 2 learn? To predict masked tokens; what else is a value that is handed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from steep.args.pretraining import PretrainArgs
from steep.data.corpus import Corpus
from steep.data.tokens import check_known, frame, tokenize
from steep.models import kernels
from steep.models.checkpoints import MaskedLanguageModel
from steep.models.pretraining_heads import MASKED_HEAD, PretrainingHeads
from steep.objectives.masking import vocabulary
from steep.train.accumulation import Cut, cut_masked
from steep.train.heldout import Measure
from steep.train.pile import IGNORED, Pile, Source


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
