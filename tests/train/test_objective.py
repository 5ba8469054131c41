"""Does an objective of one's own decide what is learnt, in which parts, and what is measured?"""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from steep.args import AdaptArgs
from steep.data.corpus import Data
from steep.data.inputs import frame
from steep.data.tokens import tokenize
from steep.models.devices import Machine
from steep.models.masked_lm import load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import change, make
from steep.train import masked
from steep.train.engine import Part
from steep.train.heldout import Measure
from steep.train.masked import Laid
from steep.train.objective import Objective, cut_masked, masked_loss
from steep.train.pile import Pile, heldout_batches

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
ARGS = make(AdaptArgs, max_length=16, batch_tokens=256, epochs=3, learning_rate=0.003, device="cpu")


@pytest.fixture(scope="module")
def pile(tiny_bert: Path, single: Data) -> Pile:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    text = tokenize(single.train, tokenizer)
    return Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)


class Lengths(Measure):
    """Measures how long the held-out inputs are."""

    def before_validate(self) -> None:
        self.seen: list[int] = []

    def after_pred(self) -> None:
        self.seen.append(self.xb[0].shape[-1])

    @property
    def found(self) -> dict[str, float]:
        return {"longest": float(max(self.seen))}

    @property
    def facts(self) -> dict[str, Any]:
        return {"heldout_batches": len(self.seen)}


def test_an_objective_brings_its_loss_its_parts_and_its_measures(
    tiny_bert: Path, pile: Pile
) -> None:
    calls = []

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        calls.append("loss")
        return masked_loss(logits, labels)

    def cut(inputs: tuple, labels: tuple, parts: int) -> list[Part]:
        calls.append("cut")
        return cut_masked(inputs, labels, parts)

    objective = Objective(loss=loss, cut=cut, measures=lambda: [Lengths()])
    lm, spans = load_masked_lm(tiny_bert, "eager", 0), pile.spans()
    args = change(ARGS, {"epochs": None, "max_steps": 4, "gradient_accumulation_steps": 2})
    laid = Laid(pile, spans[20:], spans[:20], objective=objective)
    report = masked.train(lm, laid, args.pretrain, CPU, 0)
    assert calls.count("cut") == 4
    assert calls.count("loss") > 8, "two parts in each step, and the held-out batches"
    assert report["longest"] == {"before": 16.0, "after": 16.0}
    assert report["heldout_batches"] == len(heldout_batches(pile, spans[:20], 256, 0))
    assert {"valid_longest", "valid_loss"} <= report["history"][0].keys()
