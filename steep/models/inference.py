"""What does a trained classifier say of each row? Batches by length, order restored."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from steep.console import track
from steep.data.batches import by_length
from steep.data.inputs import Rows
from steep.models.devices import Machine
from steep.models.heads import Classifier
from steep.models.long_texts import WindowPooling


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
    order = by_length(rows.lengths)  # little padding; if memory runs out, it does so at once
    batches = np.split(order, range(batch_size, len(order), batch_size))
    outputs = []
    for members in track(batches, len(batches), "predicting"):
        inputs, _ = rows.collate([rows[i] for i in members])
        outputs.append(activation(logits(inputs), rows.task.kind).cpu())
    return torch.cat(outputs).numpy()[np.argsort(order)]


def activation(logits: Tensor, kind: str) -> Tensor:
    """Logits (rows, labels) as class probabilities, label probabilities, or targets.

    Targets are (rows,) where there is one, else (rows, targets).
    """
    if kind == "single":
        return logits.softmax(-1)
    if kind == "multi":
        return logits.sigmoid()
    return logits[:, 0] if logits.shape[1] == 1 else logits
