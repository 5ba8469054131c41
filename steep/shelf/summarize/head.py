"""How does the head begin? As a logistic regression on what the encoder finds before any training.

A head that begins at random spends the few hundred steps that some hundred documents allow on
finding its direction, and its first gradients distort the encoder (Kumar et al. 2022, "Fine-Tuning
can Distort Pretrained Features").
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from steep.shelf.summarize.model import Reader
from steep.shelf.summarize.windows import Windows

C_GRID = (0.001, 0.003, 0.01, 0.03, 0.1)
ITERATIONS = 1000

Labelled = tuple[Windows, np.ndarray]
"""Documents, and which of their sentences, end to end, belong in summaries: bool (sentences,)."""


def begin_head(reader: Reader, train: Labelled, valid: Labelled, batch_size: int) -> None:
    """Give the head of `reader` the weights that tell the labelled sentences of `train` best.

    Each document weighs the same. How strongly they are regularised is chosen by the log loss on
    `valid`. Where all sentences of `train` have one label, the head stays as it is.
    """
    (features, labels, weights), held = (_read(reader, part, batch_size) for part in (train, valid))
    if len(np.unique(labels)) < 2:
        return
    scaler = StandardScaler().fit(features)
    asked = scaler.transform(held[0])
    best, lowest = None, np.inf
    for c in C_GRID:
        model = LogisticRegression(C=c, max_iter=ITERATIONS)
        model.fit(scaler.transform(features), labels, weights)
        loss = log_loss(held[1], model.predict_proba(asked), sample_weight=held[2], labels=[0, 1])
        if best is None or loss < lowest:
            best, lowest = model, loss
    assert best is not None
    weight = best.coef_ / scaler.scale_
    bias = best.intercept_ - weight @ scaler.mean_
    head = reader.scorer.head
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))


def _read(
    reader: Reader, part: Labelled, batch_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the head reads of each sentence, its label, and what it weighs: one over its document's.

    Weights have the mean 1.
    """
    windows, labels = part
    sizes = np.diff(windows.documents)
    weights = np.repeat(1 / np.maximum(sizes, 1), sizes)
    features = reader.run(windows, batch_size, reader.scorer.read).astype(np.float64)
    return features, labels.astype(int), weights / weights.mean()
