"""Which tokens speak for an answer? Integrated gradients over the word embeddings.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", as captum computes it:
on the straight way from the embeddings of the text with every token hidden ([MASK]) to those of
the text itself, each token's part of what the score changes by. The parts sum to that change, but
for the error of the numerical integral, which is returned.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steep.models.heads import Classifier

AT_ONCE = 16  # points of the way in one batch


@dataclass(frozen=True)
class Attribution:
    """What each token of an input adds to a score, float64 (tokens,).

    `score` is the logit (or the target of a regression) of the text, `hidden` that of the input
    with its tokens masked; `error` is by how much the parts miss the difference of the two.
    """

    tokens: np.ndarray
    score: float
    hidden: float

    @property
    def error(self) -> float:
        return float(self.tokens.sum()) - (self.score - self.hidden)


def attribute(
    classifier: Classifier, inputs: np.ndarray, masked: np.ndarray, target: int, steps: int
) -> Attribution:
    """The parts of logit `target` of one input.

    inputs: int64 (2 or 3, length) of ids, mask, segments, as `Rows` gives them; masked: the ids
    int64 (length,) with [MASK] in place of the text's tokens. `classifier` computes in fp32, and
    reads no windows.
    """
    from captum.attr import LayerIntegratedGradients

    device = next(classifier.parameters()).device
    ids, rest = torch.from_numpy(inputs[None]).to(device).split([1, len(inputs) - 1], dim=1)
    hidden = torch.from_numpy(masked[None]).to(device)

    def score(ids: Tensor, rest: Tensor) -> Tensor:
        return classifier(torch.cat([ids[:, None], rest], dim=1))[:, target]

    encoder: Any = classifier.model.base_model
    way = LayerIntegratedGradients(score, encoder.get_input_embeddings())
    parts = way.attribute(
        ids[:, 0],
        baselines=hidden,
        additional_forward_args=(rest,),
        n_steps=steps,
        internal_batch_size=AT_ONCE,
    )
    with torch.inference_mode():
        ends = [float(score(some, rest)) for some in (ids[:, 0], hidden)]
    return Attribution(parts[0].double().sum(-1).cpu().numpy(), *ends)
