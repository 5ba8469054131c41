"""Does the probe only watch, unless it is asked to choose?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from torch import Tensor
from transformers import AutoTokenizer

from steep.args import AdaptArgs
from steep.data.corpus import Data
from steep.data.inputs import Rows, frame
from steep.data.tokens import tokenize
from steep.errors import SteepError
from steep.models.devices import Machine
from steep.models.masked_lm import load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import change, make
from steep.train import engine, masked
from steep.train.heldout import Probe
from steep.train.masked import Laid
from steep.train.pile import Pile
from steep.train.saves import open_saves
from steep.train.session import Hooks

FAST = Machine(torch.device("cpu"), bf16=True, attention="eager", fast=True)
ARGS = make(
    AdaptArgs,
    max_length=16,
    batch_tokens=256,
    max_steps=8,
    eval_steps=3,
    learning_rate=0.003,
    device="cpu",
)
Found = tuple[dict[str, Tensor], dict[str, Any]]


@pytest.fixture
def train(tiny_bert: Path, single: Data, tmp_path: Path) -> Callable[..., Found]:
    """A function that trains, with a probe or without, and gives weights and report."""

    def run(args: AdaptArgs, name: str = "out", probed: bool = True, minutes: float = 0.0) -> Found:
        tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
        text = tokenize(single.train, tokenizer)
        pile = Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)
        lm, spans = load_masked_lm(tiny_bert, "eager", 0), pile.spans()
        rows = [Rows(p, single.labelled(), tokenizer, 16) for p in (single.train, single.valid)]
        saves = open_saves(tmp_path / name, minutes, {}, overwrite=False)
        probe = Probe(*rows) if probed else None
        laid = Laid(pile, spans[20:], spans[:20], probe)
        report = masked.train(lm, laid, args.pretrain, FAST, args.seed.seed, Hooks(saves=saves))
        return lm.model.state_dict(), report

    return run


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], None]:
    """A function that lets the probe find these scores, one after the other."""

    def put(found: list[float]) -> None:
        given = iter(found)

        def told(probe: Probe) -> None:
            probe.score = next(given)

        monkeypatch.setattr(Probe, "after_validate", told)

    return put


def test_it_moves_nothing(train: Callable[..., Found]) -> None:
    (plain, _), (watched, report) = train(ARGS, "plain", probed=False), train(ARGS, "watched")
    assert all(torch.equal(plain[name], value) for name, value in watched.items())
    found = [line["probe"] for line in report["history"]]
    assert len(found) == 4
    assert 0.5 < max(found) <= 1, "the tiny texts' classes can be told apart by their words"
    assert len(set(found)) > 1, "as the encoder moves, so does the score"
    assert report["probe"]["before"] == found[0]
    assert report["probe_metric"] == "accuracy"
    assert report["probe_rows"] == [140, 20]


def test_it_chooses_the_weights_when_asked(
    train: Callable[..., Found], scores: Callable[[list[float]], None]
) -> None:
    scores([0.5, 0.9, 0.7, 0.8])
    _, report = train(change(ARGS, {"probe": True, "best_by": "probe"}), "probe")
    assert (report["best_step"], report["probe"]["after"]) == (3, 0.9)
    scores([0.5, 0.9, 0.7, 0.8])
    _, report = train(ARGS, "loss")
    losses = {line["step"]: line["valid_loss"] for line in report["history"][1:]}
    assert report["best_step"] == min(losses, key=lambda step: losses[step])


def test_training_ends_when_it_gains_no_more(
    train: Callable[..., Found], scores: Callable[[list[float]], None]
) -> None:
    scores([0.5, 0.9, 0.9, 1.0])
    _, report = train(
        change(ARGS, {"probe": True, "best_by": "probe", "early_stopping_patience": 1})
    )
    assert (report["best_step"], report["steps"], report["stopped_early"]) == (3, 6, True)


def test_a_killed_run_with_a_probe_ends_as_if_it_had_not_been(
    train: Callable[..., Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = change(ARGS, {"probe": True, "best_by": "probe"})
    whole, report = train(args, "whole")
    run = engine.run_fit

    class Pull(Callback):
        order = 999

        def after_batch(self) -> None:
            if self.training and self.train_iter >= 5:
                raise KeyboardInterrupt

    def pulled(*given: Any) -> None:
        *before, callbacks, own = given
        run(*before, [*callbacks, Pull()], own)

    monkeypatch.setattr(engine, "run_fit", pulled)
    with pytest.raises(KeyboardInterrupt):
        train(args, minutes=1e-9)
    monkeypatch.setattr(engine, "run_fit", run)
    again, resumed = train(args, minutes=1e-9)
    assert all(torch.equal(whole[name], value) for name, value in again.items())
    curves = [[line["probe"] for line in found["history"]] for found in (report, resumed)]
    assert curves[0] == curves[1]


def test_it_cannot_choose_where_there_is_none() -> None:
    with pytest.raises(SteepError, match="add --probe"):
        make(AdaptArgs, best_by="probe")
