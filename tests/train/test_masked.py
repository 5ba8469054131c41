"""Does step 2 train all that it should, and is what it reports true?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, BertModel

from steep.args import AdaptArgs
from steep.data.corpus import Data
from steep.data.inputs import frame
from steep.data.tokens import tokenize
from steep.errors import SteepError
from steep.models.devices import Machine
from steep.models.masked_lm import MaskedLanguageModel, load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import change, make
from steep.train import masked
from steep.train.masked import Laid
from steep.train.pile import IGNORED, Pile, heldout_batches
from steep.train.session import Hooks
from tests.conftest import overflowing

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
ARGS = make(AdaptArgs, max_length=16, batch_tokens=256, epochs=3, learning_rate=0.003, device="cpu")


@pytest.fixture(scope="module")
def pile(tiny_bert: Path, single: Data) -> Pile:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    text = tokenize(single.train, tokenizer)
    return Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)


@pytest.fixture(scope="module")
def headless(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("headless")
    BertModel.from_pretrained(tiny_bert).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


def train(
    checkpoint: Path, pile: Pile, args: AdaptArgs = ARGS
) -> tuple[MaskedLanguageModel, dict[str, Any]]:
    lm = load_masked_lm(checkpoint, "eager", args.seed.seed)
    spans = pile.spans()
    laid = Laid(pile, spans[20:], spans[:20])
    return lm, masked.train(lm, laid, args.pretrain, CPU, args.seed.seed)


def test_it_learns_and_every_parameter_moves(
    tiny_bert: Path, pile: Pile, weights: Callable, moved: Callable
) -> None:
    before = weights(load_masked_lm(tiny_bert, "eager", 0).model)
    lm, report = train(tiny_bert, pile, change(ARGS, {"epochs": 20, "seed": 2}))
    assert moved(before, lm.model) == before.keys()
    assert lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight
    assert report["masked_loss"]["after"] < report["masked_loss"]["before"] - 0.15
    found = min(line["valid_loss"] for line in report["history"])
    assert found == report["masked_loss"]["after"]
    assert report["history"][-1]["step"] == report["steps"]
    assert len(report["history"]) <= 11  # ten measurements, and the one before
    assert report["epochs"] == 20


def test_the_held_out_loss_is_the_mean_over_masked_tokens(tiny_bert: Path, pile: Pile) -> None:
    lm, report = train(tiny_bert, pile, change(ARGS, {"epochs": 0.2}))
    losses, right = [], []
    with torch.no_grad():
        for inputs, positions, labels in heldout_batches(pile, pile.spans()[:20], 256, 0):
            logits = lm.model.eval()(input_ids=inputs[:, 0], attention_mask=inputs[:, 1]).logits
            real = labels != IGNORED
            found = logits.flatten(0, 1)[positions[real]]
            losses.append(cross_entropy(found, labels[real], reduction="none"))
            right.append(found.argmax(-1) == labels[real])
    assert report["masked_loss"]["after"] == pytest.approx(
        float(torch.cat(losses).mean()), rel=1e-4
    )
    assert report["masked_accuracy"]["after"] == pytest.approx(
        float(torch.cat(right).float().mean())
    )
    assert report["heldout_tokens"] == len(torch.cat(losses))


def test_tokens_are_counted_without_padding(tiny_bert: Path, pile: Pile) -> None:
    _, report = train(tiny_bert, pile, change(ARGS, {"epochs": 1}))
    spans = pile.spans()[20:]
    a_pass = int((spans[:, 1] - spans[:, 0]).sum()) + 2 * len(spans)
    assert report["tokens"] == pytest.approx(report["epochs"] * a_pass, rel=0.2)
    assert report["tokens"] == report["history"][-1]["tokens"]


def test_the_same_seed_gives_the_same_weights(
    tiny_bert: Path, pile: Pile, weights: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = change(ARGS, {"epochs": 0.5})
    one, two = (train(tiny_bert, pile, args)[0].model for _ in range(2))
    other = train(tiny_bert, pile, change(args, {"seed": 1}))[0].model
    monkeypatch.setattr(masked, "derive", lambda *_: 1)
    drops = train(tiny_bert, pile, args)[0].model
    for name, value in weights(one).items():
        assert torch.equal(value, weights(two)[name]), name
    name = "bert.encoder.layer.0.output.dense.weight"
    assert not torch.equal(weights(one)[name], weights(other)[name])
    assert not torch.equal(weights(one)[name], weights(drops)[name])


def test_a_new_head_learns_before_the_encoder_moves(
    headless: Path, pile: Pile, monkeypatch: pytest.MonkeyPatch, weights: Callable, moved: Callable
) -> None:
    lm = load_masked_lm(headless, "eager", 0)
    assert lm.new_head
    before, seen = weights(lm.model), []
    adapt = masked._Adapting.train
    monkeypatch.setattr(
        masked._Adapting, "train", lambda *a: seen.append(moved(before, lm.model)) or adapt(*a)
    )
    spans = pile.spans()
    args = change(ARGS, {"epochs": 20})
    report = masked.train(
        lm, Laid(pile, spans[20:], spans[:20]), args.pretrain, CPU, args.seed.seed
    )
    head = {name for name in before if name.startswith("cls.")}
    assert seen == [head], "the warm-up trains the head, and nothing but the head"
    assert moved(before, lm.model) == before.keys(), "and then all is trained"
    assert all(p.requires_grad for p in lm.model.parameters())
    assert report["masked_loss"]["after"] < report["masked_loss"]["before"]


def test_a_head_of_its_own_is_not_warmed_up(
    tiny_bert: Path, pile: Pile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masked, "_warm_head", lambda *_: pytest.fail("warmed up"))
    train(tiny_bert, pile, change(ARGS, {"epochs": 0.1}))


def test_minutes_bound_the_steps(
    tiny_bert: Path, pile: Pile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masked, "seconds_per_step", lambda *_, **__: (2.0, 100.0))
    _, report = train(tiny_bert, pile, change(ARGS, {"epochs": None, "minutes": 0.2}))
    assert report["steps"] == 6


def test_a_rate_that_is_too_high_is_a_clear_message(tiny_bert: Path, pile: Pile) -> None:
    with pytest.raises(SteepError, match=r"nothing was written.*learning_rate below 1e\+30"):
        train(tiny_bert, pile, overflowing(ARGS))


class Rates(Callback):
    """Keeps the rate at every step."""

    def __init__(self) -> None:
        self.kept: list[float] = []

    def before_step(self) -> None:
        self.kept.append(float(self.opt.hypers[0]["lr"]))


def test_the_rate_rises_and_falls_once_over_all_rounds(
    tiny_bert: Path, pile: Pile, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, learner = Rates(), masked.masked_learner

    def watched(*arguments: Any) -> Any:
        learn = learner(*arguments)
        learn.add_cb(seen)
        return learn

    monkeypatch.setattr(masked, "masked_learner", watched)
    _, report = train(tiny_bert, pile, change(ARGS, {"warmup_ratio": 0.2}))
    rates = np.array(seen.kept)
    assert len(rates) == report["steps"]
    peak = int(rates.argmax())
    assert peak == pytest.approx(len(rates) / 5, abs=1)
    assert rates.max() == pytest.approx(ARGS.pretrain.optimiser.rate, rel=0.1)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert 0 < rates[-1] < 0.1 * rates.max()


def test_steps_are_met_exactly_and_the_rate_falls_to_the_end(
    tiny_bert: Path, pile: Pile, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = change(ARGS, {"epochs": None, "max_steps": 11, "eval_steps": 4})
    seen, learner = Rates(), masked.masked_learner

    def watched(*arguments: Any) -> Any:
        learn = learner(*arguments)
        learn.add_cb(seen)
        return learn

    monkeypatch.setattr(masked, "masked_learner", watched)
    _, report = train(tiny_bert, pile, args)
    assert report["steps"] == len(seen.kept) == 11
    assert [line["step"] for line in report["history"]] == [0, 4, 8, 11]
    assert seen.kept[-1] == pytest.approx(
        ARGS.pretrain.optimiser.rate * 0.5 / (11 * (1 - args.pretrain.optimiser.warmup_ratio))
    )


@pytest.mark.parametrize(("steps", "measured"), [(60, 10), (12, 3), (4, 2)])
def test_a_short_run_reads_held_out_text_less_often(
    tiny_bert: Path, pile: Pile, steps: int, measured: int
) -> None:
    args = change(ARGS, {"epochs": None, "max_steps": steps})
    batches = len(heldout_batches(pile, pile.spans()[:20], args.pretrain.batch.batch_tokens, 0))
    _, report = train(tiny_bert, pile, args)
    assert batches == 2
    assert len(report["history"]) == 1 + measured


def test_only_the_embeddings_move(
    tiny_bert: Path, headless: Path, pile: Pile, weights: Callable, moved: Callable
) -> None:
    args = change(ARGS, {"epochs": None, "max_steps": 4, "train": "embeddings"})
    before = weights(load_masked_lm(tiny_bert, "eager", 0).model)
    lm, _ = train(tiny_bert, pile, args)
    own = {name for name in before if name.startswith("bert.embeddings.")}
    assert moved(before, lm.model) == own
    assert lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight
    assert all(p.requires_grad for p in lm.model.parameters())
    before = weights(load_masked_lm(headless, "eager", 0).model)
    lm, _ = train(headless, pile, args)
    head = {name for name in before if name.startswith("cls.")}
    assert moved(before, lm.model) == own | head, "a new head was warmed up first"


def test_lower_layers_learn_slower(tiny_bert: Path, pile: Pile) -> None:
    args = change(ARGS, {"epochs": None, "max_steps": 2, "layer_decay": 0.5})
    learn = masked.masked_learner
    seen: list[np.ndarray] = []

    class Watch(Callback):
        def before_step(self) -> None:
            seen.append(np.array([float(h["lr"]) for h in self.opt.hypers]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masked, "masked_learner", lambda *a: learn(*a).add_cb(Watch()))
        train(tiny_bert, pile, args)
    assert seen[0][1:] == pytest.approx(2 * seen[0][:-1])


class Follower:
    """Keeps the steps it is told of."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def line(self, values: dict, step: int) -> None:
        self.steps.append(step)


def test_who_looks_on_is_told_and_may_act(tiny_bert: Path, pile: Pile) -> None:
    follower, rates = Follower(), Rates()
    lm, spans = load_masked_lm(tiny_bert, "eager", 0), pile.spans()
    args = change(ARGS, {"epochs": None, "max_steps": 4, "eval_steps": 2})
    hooks = Hooks(callbacks=[rates], followers=[follower])  # type: ignore[list-item]
    masked.train(lm, Laid(pile, spans[20:], spans[:20]), args.pretrain, CPU, 0, hooks)
    assert follower.steps == [0, 2, 4]
    assert len(rates.kept) == 4
