"""What does a model make of each row: an answer, or a vector? In batches by length."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from steep.console import track
from steep.data.batches import by_length
from steep.data.inputs import Rows
from steep.models.devices import Machine
from steep.models.heads import Classifier, Pooled, WindowPooling


def predict(
    model: PreTrainedModel,
    rows: Rows,
    machine: Machine,
    batch_size: int,
    window_pooling: WindowPooling | None = None,
) -> np.ndarray:
    """Probabilities (rows, labels), or targets (rows,), in the order of the corpus.

    `window_pooling` pools the windows of rows that have several; a batch then has fewer rows.
    """
    prepared = machine.prepare(model, 0)
    classifier = Classifier(prepared, machine.autocast, window_pooling).eval().to(machine.device)

    def logits(inputs: np.ndarray) -> Tensor:
        return classifier(torch.from_numpy(inputs).to(machine.device))

    with torch.inference_mode():
        return in_batches(logits, rows, max(1, batch_size // rows.most))


def in_batches(logits: Callable[[np.ndarray], Tensor], rows: Rows, batch_size: int) -> np.ndarray:
    """What `logits` says of inputs int64 (rows, 2 or 3, length), as probabilities or targets.

    Batches hold texts of like length; the result is in the order of the corpus.
    """

    def answers(inputs: np.ndarray) -> Tensor:
        return activation(logits(inputs), rows.task.kind)

    return _by_length(answers, rows, batch_size, "predicting")


def _by_length(
    compute: Callable[[np.ndarray], Tensor], rows: Rows, batch_size: int, told: str = ""
) -> np.ndarray:
    """What `compute` gives for inputs of like length, in the order of the corpus."""
    order = by_length(rows.lengths)  # little padding; if memory runs out, it does so at once
    batches = np.split(order, range(batch_size, len(order), batch_size))
    found = []
    for members in track(batches, len(batches), told) if told else batches:
        found.append(compute(rows.collate([rows[i] for i in members])[0]).cpu())
    return torch.cat(found).numpy()[np.argsort(order)]


def activation(logits: Tensor, kind: str) -> Tensor:
    """Logits (rows, labels) as class probabilities, label probabilities, or targets.

    Targets are (rows,) where there is one, else (rows, targets).
    """
    if kind == "single":
        return logits.softmax(-1)
    if kind == "multi":
        return logits.sigmoid()
    return logits[:, 0] if logits.shape[1] == 1 else logits


def features(
    model: PreTrainedModel, rows: Rows, autocast: bool, device: torch.device, batch_size: int = 64
) -> np.ndarray:
    """The mean of the last layer over each text's tokens, float32 (rows, hidden), without dropout.

    In the order of the corpus. The model stays as it is, in training or not.
    """
    training = model.training
    pooled = Pooled(model, autocast).eval().to(device)
    with torch.inference_mode():
        found = _by_length(
            lambda inputs: pooled(torch.from_numpy(inputs).to(device)), rows, batch_size
        )
    model.train(training)  # as it was: this may be in the middle of a training
    return found
