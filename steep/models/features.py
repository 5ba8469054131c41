"""What does an encoder make of each text, as one vector?"""

import numpy as np
import torch
from transformers import PreTrainedModel

from steep.data.batches import by_length
from steep.data.inputs import Rows
from steep.models.heads import Pooled


def features(
    model: PreTrainedModel, rows: Rows, autocast: bool, device: torch.device, batch_size: int = 64
) -> np.ndarray:
    """The mean of the last layer over each text's tokens, float32 (rows, hidden), without dropout.

    In the order of the corpus. The model stays as it is, in training or not.
    """
    pooled, training = Pooled(model, autocast), model.training
    order = by_length(rows.lengths)
    found = []
    pooled.eval().to(device)
    with torch.inference_mode():
        for members in np.split(order, range(batch_size, len(order), batch_size)):
            inputs, _ = rows.collate([rows[i] for i in members])
            found.append(pooled(torch.from_numpy(inputs).to(device)).cpu())
    model.train(training)  # as it was: this may be in the middle of a training
    return torch.cat(found).numpy()[np.argsort(order)]
