"""How does a head begin as a linear probe? With a logistic regression on the frozen encoder.

Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution", section 3.4: linear probing, then fine-tuning.
"""

import numpy as np
import torch
from fastai.learner import Learner
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from steep.data.batches import by_length
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.pooling import PooledClassifier
from steep.train.rows import ShownRows

STRENGTH, ITERATIONS = 0.1, 1000  # scikit-learn's C: of 0.01 to 100, few labels of many classes


def begin_as_probe(learn: Learner, data: Data) -> None:
    """Give the head of `learn` the weights of a logistic regression on the training rows.

    Raises SteepError where the task has no classes, or the head is not one linear layer.
    """
    model, task = learn.model.model, data.labelled()
    if task.kind != "single" or not isinstance(model, PooledClassifier):
        raise SteepError("head_init probe needs one label a row, and a pooling such as mean.")
    found = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS)
    labels = data.train.labels()
    if len(np.unique(labels)) < 2:
        return
    found.fit(_features(learn), labels)
    weight, bias = (torch.tensor(x, dtype=torch.float32) for x in (found.coef_, found.intercept_))
    if len(weight) == 1:  # of two classes scikit-learn gives the difference
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    head, known = model.pooled_head, torch.from_numpy(found.classes_).to(learn.dls.device)
    with torch.no_grad():
        head.weight[known] = weight.to(head.weight)
        head.bias[known] = bias.to(head.bias)


def _features(learn: Learner) -> np.ndarray:
    """What the head reads of each training row, in their order: float32 (rows, width)."""
    rows: ShownRows = learn.dls.train_ds
    found: dict[int, np.ndarray] = {}
    seen: list[Tensor] = []
    hook = learn.model.model.pooling.register_forward_hook(lambda *given: seen.append(given[-1]))
    learn.model.eval()
    order, size = by_length(rows.lengths), 2 * learn.dls.train.bs
    try:
        with torch.inference_mode():
            for some in np.split(order, range(size, len(order), size)):
                learn.model(rows.batch([rows[i] for i in some])[0].to(learn.dls.device))
                found |= dict(zip(some.tolist(), seen.pop().float().cpu().numpy(), strict=True))
    finally:
        hook.remove()
    learn.model.train()
    return np.stack([found[i] for i in range(len(order))])
