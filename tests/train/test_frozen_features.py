"""Is a frozen encoder computed once, and is what is learnt the same as when it is not?"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import nn
from transformers import AutoConfig, AutoTokenizer, BertForPreTraining

from steep.args import FitArgs, TuneArgs
from steep.data.corpus import Data
from steep.models.devices import choose
from steep.models.families import encoder_layers
from steep.options import change, make
from steep.train import classify, frozen_features
from steep.train.callbacks import Bar
from steep.train.classify import Fitted
from steep.train.readings import readings_of
from steep.train.saves import open_saves
from steep.train.session import Hooks

ARGS = make(
    FitArgs,
    pooling="model",
    max_length=32,
    batch_size=16,
    epochs=4,
    learning_rate=0.001,
    unfreeze="never",
    device="cpu",
    precision="fp32",
)
WAYS = [
    {},
    {"gradient_accumulation_steps": 2},
    {"plain": True},
    {"pooling": "mean"},
    {"pooling": "concat", "plain": True},
    {"pooling": "last4"},
    {"unfreeze": "none", "head_epochs": 2},
    {"truncation": "sliding-mean", "max_length": 12, "max_windows": 3},
    {"truncation": "sliding-max", "max_length": 12, "max_windows": 3, "pooling": "mean"},
]


class Computed(Callback):
    """Counts the rows that each layer computes."""

    def before_fit(self) -> None:
        self.rows: dict[int, int] = {}
        for number, layer in enumerate(encoder_layers(self.model.model.base_model)):
            inner = next(m for m in layer.modules() if isinstance(m, nn.Linear))
            inner.register_forward_hook(self._count(number))

    def _count(self, number: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
            self.rows[number] = self.rows.get(number, 0) + len(inputs[0])

        return hook


@pytest.fixture(scope="module")
def deep_bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of four layers, with the tokenizer of the tiny one."""
    folder = tmp_path_factory.mktemp("deep-bert")
    config = AutoConfig.from_pretrained(tiny_bert, num_hidden_layers=4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForPreTraining(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


@pytest.fixture
def in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after whose call the encoder is computed in every epoch."""
    return lambda: monkeypatch.setattr(classify, "_kept_features", lambda *_: [])


def epochs_of_features(learn: Learner, tune: TuneArgs) -> int:
    """In how many epochs the head reads features that are computed once."""
    bar = Bar(readings_of(learn), "fitting")
    found = classify._kept_features(learn, classify._phases(learn, tune), bar)
    return sum(callback.epochs for callback in found)


def learner(data: Data, checkpoint: Path, args: FitArgs) -> Learner:
    return classify.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


def train(data: Data, checkpoint: Path, args: FitArgs) -> tuple[Fitted, dict[int, int]]:
    learn, computed = learner(data, checkpoint, args), Computed()
    hooks = Hooks(callbacks=[computed])
    fitted = classify.train(learn, data, args.tune, None, args.seed.seed, hooks)
    assert learn.model.cache is None
    return fitted, computed.rows


def same(one: Fitted, two: Fitted, atol: float) -> None:
    """Weights and histories, but for the time they took."""
    other = dict(two.learn.model.named_parameters())
    for name, p in one.learn.model.named_parameters():
        if not name.endswith("key.bias"):  # its gradient is rounding alone
            torch.testing.assert_close(p, other[name], atol=atol, rtol=0, msg=name)
    for line, expected in zip(one.history, two.history, strict=True):
        assert line["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-5)
        assert line["valid_loss"] == pytest.approx(expected["valid_loss"], abs=1e-5)
        assert line["accuracy"] == expected["accuracy"]


@pytest.mark.parametrize("way", WAYS)
def test_it_learns_what_it_would_have_learnt(
    single: Data, deep_bert: Path, way: dict, in_every_epoch: Callable
) -> None:
    args = change(ARGS, way)
    once, rows = train(single, deep_bert, args)
    in_every_epoch()
    anew, all_rows = train(single, deep_bert, args)
    same(once, anew, atol=1e-5)
    alone = way.get("head_epochs", 4)
    assert rows[0] == all_rows[0] * (4 - alone + 1) / 4, "once, and in epochs when it learns"


def test_a_frozen_encoder_sees_every_row_once(single: Data, deep_bert: Path) -> None:
    for pooling in ("model", "mean"):
        _, rows = train(single, deep_bert, change(ARGS, {"pooling": pooling}))
        assert rows == dict.fromkeys(range(4), len(single.train) + len(single.valid))


def test_only_a_head_that_is_alone_for_long_reads_what_is_kept(
    single: Data, deep_bert: Path
) -> None:
    found = {}
    for unfreeze in ("none", "gradual", "chain-thaw", "never"):
        args = change(ARGS, {"unfreeze": unfreeze, "epochs": 7})
        found[unfreeze] = epochs_of_features(learner(single, deep_bert, args), args.tune)
    assert found == {"none": 0, "gradual": 0, "chain-thaw": 0, "never": 7}
    args = change(ARGS, {"epochs": 1})
    assert epochs_of_features(learner(single, deep_bert, args), args.tune) == 0


def test_memory_is_bounded_and_the_user_is_told(
    single: Data, deep_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = learner(single, deep_bert, ARGS)
    (note,) = classify.notes(learn, ARGS.tune)
    assert "computed once and kept in memory (0.0 MB at most)" in note
    size = frozen_features._size(learn)
    rows = len(single.train) + len(single.valid)
    assert size == 4 * 32 * rows, "the first position of each row"
    whole = frozen_features._size(learner(single, deep_bert, change(ARGS, {"plain": True})))
    assert whole > 6 * size, "where the head may read all positions, all are kept"
    pooled = learner(single, deep_bert, change(ARGS, {"pooling": "concat", "plain": True}))
    assert frozen_features._size(pooled) == 3 * size
    monkeypatch.setattr(frozen_features, "MOST", size)
    assert epochs_of_features(learn, ARGS.tune) == 4
    monkeypatch.setattr(frozen_features, "MOST", size - 1)
    (note,) = classify.notes(learn, ARGS.tune)
    assert "computed in every epoch: what it gives would take" in note
    _, computed = train(single, deep_bert, ARGS)
    assert computed[0] == 4 * rows


def test_families_that_are_not_known_are_computed_in_every_epoch(
    single: Data, deep_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_features, "KNOWN", ())
    learn = learner(single, deep_bert, ARGS)
    assert "may depend on the batch" in " ".join(classify.notes(learn, ARGS.tune))
    assert epochs_of_features(learn, ARGS.tune) == 0
    assert classify.notes(learn, change(ARGS, {"unfreeze": "none"}).tune) == []


class Pull(Callback):
    """Pulls the plug at some batch."""

    order = 999

    def __init__(self, at: int) -> None:
        self.left = at

    def after_batch(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "way", [{}, {"pooling": "mean"}, {"unfreeze": "none", "head_epochs": 2, "epochs": 3}]
)
def test_a_killed_run_finds_the_same_bits(
    single: Data, deep_bert: Path, way: dict, tmp_path: Path
) -> None:
    args = change(ARGS, {"precision": "auto", **way})

    def run(out: Path, callbacks: list[Callback], minutes: float = 1e-9) -> Fitted:
        learn = learner(single, deep_bert, args)
        hooks = Hooks(saves=open_saves(out, minutes, {}, overwrite=False), callbacks=callbacks)
        return classify.train(learn, single, args.tune, None, args.seed.seed, hooks)

    whole = run(tmp_path / "whole", [], minutes=0)
    for batch in (2, 8, 12):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out", [Pull(batch)])
    same(run(tmp_path / "out", []), whole, atol=0)
