"""How does a head begin as prototypes? With the mean of each class, on the frozen encoder.

Snell et al. 2017, "Prototypical Networks for Few-shot Learning", section 2.3, as the first weights
of a head that is then trained with the rest (Kumar et al. 2022 say why a head should not begin at
random where rows are few: its first gradients distort the features).
"""

import numpy as np
import torch
from fastai.learner import Learner
from torch import Tensor
from torch.nn.functional import normalize

from steep.data.batches import by_length
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.pooling import PooledClassifier
from steep.train.rows import ShownRows


def begin_as_prototypes(learn: Learner, data: Data) -> None:
    """Give the head of `learn` the direction of each class's mean over the training rows.

    What it reads has the norm sqrt(width) (a LayerNorm without weights), so with rows of norm 1 its
    logits are cosines times that. Rows count by their weights; a class without any that counts
    keeps its random row. Raises SteepError where the task has no classes, the head is not one
    linear layer, or texts are read in windows.
    """
    model, task = learn.model.model, data.labelled()
    if task.kind != "single" or not isinstance(model, PooledClassifier):
        raise SteepError("head_init prototypes needs one label a row, and a pooling such as mean.")
    if learn.model.window_pooling is not None:
        raise SteepError(
            "head_init prototypes reads each text once, not in windows. Choose --head-init random, "
            "or a --truncation that keeps one window."
        )
    labels, features = torch.from_numpy(data.train.labels()), _features(learn)
    weighted = features * torch.from_numpy(data.train.weights()).to(features)[:, None]
    head = model.pooled_head
    with torch.no_grad():
        for label in labels.unique().tolist():
            total = weighted[labels == label].sum(0)
            if total.any():
                head.weight[label] = normalize(total, dim=0).to(head.weight)


def _features(learn: Learner) -> Tensor:
    """What the head reads of each training row, in their order: float32 (rows, width)."""
    rows: ShownRows = learn.dls.train_ds
    found: dict[int, Tensor] = {}
    seen: list[Tensor] = []
    hook = learn.model.model.pooling.register_forward_hook(lambda *given: seen.append(given[-1]))
    learn.model.eval()
    order, size = by_length(rows.lengths), 2 * learn.dls.train.bs
    try:
        with torch.inference_mode():
            for some in np.split(order, range(size, len(order), size)):
                learn.model(rows.batch([rows[i] for i in some])[0].to(learn.dls.device))
                found |= dict(zip(some.tolist(), seen.pop().float().cpu(), strict=True))
    finally:
        hook.remove()
    learn.model.train()
    return torch.stack([found[i] for i in range(len(order))]).clone()
