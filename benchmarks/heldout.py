"""What did a contestant learn? Its loss on held-out text, measured alike: fp32, plain layers."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from steep.data.corpus import Data
from steep.data.inputs import Rows
from steep.models.checkpoints import load_tokenizer
from steep.train.pile import IGNORED, Pile, heldout_batches

WINDOWS, ROWS = 64, 16
MASKS = 0  # seed of the masks, the same for all contestants and their seeds


def real_tokens(ids: Tensor, mask: Tensor, special: list[int]) -> Tensor:
    """How many of `ids` (rows, length) are text: neither padding nor [CLS] and [SEP]."""
    marks = torch.tensor(special, device=ids.device)
    return (mask.bool() & ~torch.isin(ids, marks)).sum()


@torch.inference_mode()
def masked_loss(model: PreTrainedModel, pile: Pile) -> float:
    """Mean cross entropy of the masked tokens in `WINDOWS` windows; the masks never change."""
    model.eval()
    spans = pile.spans()
    few = spans[:: max(1, len(spans) // WINDOWS)][:WINDOWS]
    total, count = 0.0, 0
    for inputs, positions, labels in heldout_batches(pile, few, ROWS * pile.max_length, MASKS):
        ids, mask = inputs.to(model.device).unbind(1)
        logits = model(input_ids=ids, attention_mask=mask).logits.flatten(0, 1)
        found = logits[positions.to(model.device)].float().cpu()
        total += float(cross_entropy(found, labels, ignore_index=IGNORED, reduction="sum"))
        count += int((labels != IGNORED).sum())
    return total / count


@torch.inference_mode()
def labelled(
    model: PreTrainedModel, checkpoint: Path, data: Data, max_length: int
) -> dict[str, Any]:
    """Loss and accuracy on the validation rows."""
    model.eval()
    rows = Rows(data.valid, data.labelled(), load_tokenizer(checkpoint), max_length)
    total, right = 0.0, 0
    for start in range(0, len(rows), ROWS):
        members = range(start, min(start + ROWS, len(rows)))
        inputs, answers = rows.collate([rows[i] for i in members])
        ids, mask = torch.from_numpy(inputs).to(model.device).unbind(1)
        logits = model(input_ids=ids, attention_mask=mask).logits.float().cpu()
        labels = torch.from_numpy(answers)
        total += float(cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(-1) == labels).sum())
    return {"loss": total / len(rows), "accuracy": right / len(rows)}
