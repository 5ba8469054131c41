"""Are the best weights kept, and does a training end that gains nothing more?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer

from steep.args import AdaptArgs
from steep.data.corpus import Data
from steep.data.inputs import frame
from steep.data.tokens import tokenize
from steep.models.devices import Machine
from steep.models.masked_lm import MaskedLanguageModel, load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import change, make
from steep.train import masked
from steep.train.heldout import Best
from steep.train.masked import Laid
from steep.train.pile import Pile

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
ARGS = make(
    AdaptArgs,
    max_length=16,
    batch_tokens=256,
    max_steps=10,
    eval_steps=3,
    learning_rate=0.001,
    device="cpu",
)


@pytest.fixture(scope="module")
def pile(tiny_bert: Path, single: Data) -> Pile:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    text = tokenize(single.train, tokenizer)
    return Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], list[dict[str, Tensor]]]:
    """A function that lets the measurements find these losses; gives the weights at each."""

    def put(found: list[float]) -> list[dict[str, Tensor]]:
        given, seen, judge = iter(found), [], Best.after_validate

        def judged(best: Best) -> None:
            seen.append({n: p.detach().clone() for n, p in best.model.model.named_parameters()})
            scores = best.measures[0]
            scores.loss_sum = next(given) * scores.count
            judge(best)

        monkeypatch.setattr(Best, "after_validate", judged)
        return seen

    return put


def train(
    checkpoint: Path, pile: Pile, args: AdaptArgs = ARGS
) -> tuple[MaskedLanguageModel, dict[str, Any]]:
    lm, spans = load_masked_lm(checkpoint, "eager", 0), pile.spans()
    return lm, masked.train(
        lm, Laid(pile, spans[20:], spans[:20]), args.pretrain, CPU, args.seed.seed
    )


def test_the_weights_of_the_best_measurement_are_kept(
    tiny_bert: Path, pile: Pile, losses: Callable
) -> None:
    seen = losses([3.0, 2.0, 2.5, 2.25])
    lm, report = train(tiny_bert, pile)
    kept = dict(lm.model.named_parameters())
    assert all(torch.equal(p, kept[n]) for n, p in seen[1].items()), "those of the second"
    assert not all(torch.equal(p, kept[n]) for n, p in seen[3].items()), "not the last"
    assert report["masked_loss"]["after"] == pytest.approx(2.0)
    assert (report["best_step"], report["steps"], report["stopped_early"]) == (6, 10, False)
    assert [(line["step"], line["kept"]) for line in report["history"]] == [
        *[(0, 0), (3, 0), (6, 1)],
        *[(9, 0), (10, 0)],
    ]


def test_patience_ends_a_training_that_gains_nothing_more(
    tiny_bert: Path, pile: Pile, losses: Callable
) -> None:
    losses([2.0, 3.0, 2.0, 1.0])
    _, report = train(tiny_bert, pile, change(ARGS, {"early_stopping_patience": 2}))
    assert (report["best_step"], report["steps"], report["stopped_early"]) == (3, 9, True)
    assert report["history"][-1]["step"] == 9


def test_the_end_of_the_budget_is_no_early_stop(
    tiny_bert: Path, pile: Pile, losses: Callable
) -> None:
    losses([3.0, 2.0, 2.0, 2.0])
    _, report = train(tiny_bert, pile, change(ARGS, {"early_stopping_patience": 2}))
    assert (report["best_step"], report["steps"], report["stopped_early"]) == (6, 10, False)


def test_the_first_line_is_of_the_checkpoint_itself(tiny_bert: Path, pile: Pile) -> None:
    _, report = train(tiny_bert, pile)
    first, second, *_ = report["history"]
    assert (first["step"], first["tokens"], first["train_loss"]) == (0, 0, None)
    assert first["valid_loss"] == report["masked_loss"]["before"]
    assert first.keys() == second.keys()
