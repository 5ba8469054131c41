"""How much does each word of an input contribute to a score? Integrated gradients, token by token.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", as captum computes it:
gradients are integrated along the straight line from the word embeddings of a baseline, the text
with every token masked, to those of the text itself. The attributions sum to the change of the
score along that line, up to the error of the numerical integral, which is returned, too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from steep.data.words import borders_in
from steep.models.heads import Classifier

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POINTS_AT_ONCE = 16  # points of the line in one batch


@dataclass(frozen=True)
class Attribution:
    """What each token of an input contributes to a score: `tokens`, float64 (tokens,).

    `score` is the logit (or the target of a regression) of the text, `baseline` that of the masked
    text; `error` is by how much the attributions miss the difference of the two.
    """

    tokens: np.ndarray
    score: float
    baseline: float

    @property
    def error(self) -> float:
        return float(self.tokens.sum()) - (self.score - self.baseline)


def integrated_gradients(
    classifier: Classifier, inputs: np.ndarray, masked: np.ndarray, target: int, n_steps: int
) -> Attribution:
    """The attributions of one input to the logit `target`.

    inputs: int64 (2 or 3, length) of ids, mask, segments, as `Rows` gives them; masked: the ids
    int64 (length,) with [MASK] in place of the text's tokens. `classifier` computes in fp32, and
    reads no windows.
    """
    from captum.attr import LayerIntegratedGradients

    device = next(classifier.parameters()).device
    ids, rest = torch.from_numpy(inputs[None]).to(device).split([1, len(inputs) - 1], dim=1)
    baseline = torch.from_numpy(masked[None]).to(device)

    def score(ids: Tensor, rest: Tensor) -> Tensor:
        return classifier(torch.cat([ids[:, None], rest], dim=1))[:, target]

    encoder: Any = classifier.model.base_model
    gradients = LayerIntegratedGradients(score, encoder.get_input_embeddings())
    found = gradients.attribute(
        ids[:, 0],
        baselines=baseline,
        additional_forward_args=(rest,),
        n_steps=n_steps,
        internal_batch_size=POINTS_AT_ONCE,
    )
    with torch.inference_mode():
        ends = [float(score(some, rest)) for some in (ids[:, 0], baseline)]
    return Attribution(found[0].double().sum(-1).cpu().numpy(), *ends)


@dataclass(frozen=True)
class Words:
    """Words of a text that an input holds: where they stand in the text, and in the input.

    `begins` and `ends` are places in the text, int64 (words,); `owner` is the word of every token
    of the input that is text, int64 (tokens,).
    """

    begins: np.ndarray
    ends: np.ndarray
    owner: np.ndarray

    def sums(self, tokens: np.ndarray) -> np.ndarray:
        """What the tokens (tokens,) of each word come to, float64 (words,)."""
        return np.bincount(self.owner, weights=tokens, minlength=len(self.begins))


def words_of(text: str, tokenizer: "PreTrainedTokenizerBase", kept: np.ndarray) -> Words:
    """The words of the tokens `kept` of a text, int64 (tokens,): their numbers in the whole text.

    Words are those that the tokenizer makes sub-words of; whitespace at their edges is no part
    of them. In scripts without blanks, whose sentences some tokenizers take for one word, a word is
    a token, or the tokens of one character.
    """
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = np.array(found["offset_mapping"], np.int64).reshape(-1, 2)[kept]
    # A token that is in no word (one that was added to the tokenizer) is a word of its own.
    numbers = [-1 - i if word is None else word for i, word in enumerate(found.word_ids())]
    changes = np.diff(np.array(numbers, np.int64)[kept], prepend=np.iinfo(np.int64).min) != 0
    further = np.diff(spans[:, 0], prepend=-1) > 0  # not of a character in several tokens
    changes |= further & np.isin(spans[:, 0], [*borders_in(text)])
    owner = np.cumsum(changes) - 1
    firsts = np.flatnonzero(changes)
    lasts = np.append(firsts[1:], len(kept))[: len(firsts)] - 1
    begins, ends = spans[firsts, 0], spans[lasts, 1]
    for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        word = text[begin:end]
        begins[i] += len(word) - len(word.lstrip())
        ends[i] -= len(word) - len(word.rstrip())
    return Words(begins, ends, owner)
