"""Are frozen layers computed once, and is what is learnt the same as when they are not?"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback
from torch import nn
from transformers import AutoConfig, AutoTokenizer, BertForPreTraining

from steep.args import FitArgs
from steep.data.corpus import Data
from steep.models import frozen
from steep.models.layers import encoder_layers
from steep.options import change, make
from steep.train import classify, engine, reuse
from steep.train.classify import Fitted
from steep.train.saves import open_saves

ARGS = make(
    FitArgs,
    max_length=32,
    batch_size=16,
    epochs=4,
    learning_rate=0.001,
    device="cpu",
    precision="fp32",
)
WAYS = [
    {"unfreeze": "never"},
    {"unfreeze": "gradual", "accumulate": 2},
    {"unfreeze": "chain-thaw", "epochs": 8},
    {"head_start": 2},
    {"unfreeze": "never", "pooling": "mean", "plain": True},
    {"unfreeze": "gradual", "pooling": "last4"},
    {"unfreeze": "gradual", "truncation": "sliding-mean", "max_length": 12, "windows": 3},
]


def test_what_is_computed_when() -> None:
    gradual = [6, 5, 4, 3, 2, 1, 0, 0]
    assert reuse.depths(gradual, 0) == [1, 2, 3, 4, 5, 6]
    assert reuse.depths(gradual, 3) == [1, 2, 3]
    assert reuse.depths(gradual, 5) == [], "what is used once is not kept"
    assert reuse.depths([6, 6, 6], 0) == [6]
    assert reuse.depths([6, 0, 0], 0) == []
    thaw = [3, 0, 0, 1, 2, 0]
    assert [reuse.depths(thaw, epoch) for epoch in range(6)] == [[], [], [], [1], [], []]


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


def train(data: Data, checkpoint: Path, args: FitArgs) -> tuple[Fitted, dict[int, int]]:
    learn, computed = engine.learner(data, checkpoint, args), Computed()
    fitted = classify.train(learn, data, args, callbacks=[computed])
    assert learn.model.frozen is None
    return fitted, computed.rows


def same(one: Fitted, two: Fitted, atol: float) -> None:
    """Weights and histories, but for the time they took."""
    other = dict(two.learn.model.named_parameters())
    for name, p in one.learn.model.named_parameters():
        if not name.endswith("key.bias"):  # its gradient is rounding alone
            torch.testing.assert_close(p, other[name], atol=atol, rtol=0, msg=name)
    for line, expected in zip(one.history, two.history, strict=True):
        assert line["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-4)
        assert line["accuracy"] == expected["accuracy"]


@pytest.mark.parametrize("way", WAYS)
def test_it_learns_what_it_would_have_learnt(single: Data, deep_bert: Path, way: dict) -> None:
    args = change(ARGS, way)
    once, rows = train(single, deep_bert, args)
    anew, all_rows = train(single, deep_bert, change(args, {"recompute": True}))
    same(once, anew, atol=1e-5)
    assert rows[0] < all_rows[0]


def test_layers_that_never_learn_see_every_row_once(single: Data, deep_bert: Path) -> None:
    _, rows = train(single, deep_bert, change(ARGS, {"unfreeze": "never"}))
    assert rows == dict.fromkeys(range(4), len(single.train) + len(single.valid))


@pytest.mark.parametrize("depths", [0, 1])
def test_with_little_room_less_is_kept(
    single: Data, deep_bert: Path, depths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = change(ARGS, {"unfreeze": "gradual"})
    size = reuse._size(engine.learner(single, deep_bert, args))
    everything, rows = train(single, deep_bert, args)
    monkeypatch.setattr(reuse, "room", lambda folder: depths * size)
    fitted, more = train(single, deep_bert, args)
    same(fitted, everything, atol=1e-5)
    assert rows[0] == 160, "all rows, once"
    assert more[0] == (640 if depths == 0 else 320)


def test_a_full_disk_is_said_and_all_is_computed(
    single: Data,
    deep_bert: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    args = change(ARGS, {"unfreeze": "never"})
    anew, _ = train(single, deep_bert, change(args, {"recompute": True}))
    monkeypatch.setattr(frozen, "TemporaryFile", full)
    fitted, _ = train(single, deep_bert, args)
    same(fitted, anew, atol=0)
    assert "No space left on device" in capsys.readouterr().err


def test_the_user_is_told(single: Data, deep_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = change(ARGS, {"unfreeze": "gradual"})
    learn = engine.learner(single, deep_bert, args)
    assert "computed once" in " ".join(classify.notes(learn, args))
    assert "computed once" not in " ".join(classify.notes(learn, change(args, {"recompute": True})))
    assert reuse.notes(learn, ARGS) == []
    monkeypatch.setattr(reuse, "KNOWN", ())
    assert "in every epoch" in " ".join(classify.notes(learn, args))
    assert reuse.frozen_layers(learn, args) == []


class Pull(Callback):
    """Pulls the plug at some batch."""

    order = 999

    def __init__(self, at: int) -> None:
        self.left = at

    def after_batch(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("way", [{"unfreeze": "gradual"}, {"unfreeze": "chain-thaw", "epochs": 8}])
def test_a_killed_run_finds_the_same_bits(
    single: Data, deep_bert: Path, way: dict, tmp_path: Path
) -> None:
    args = change(ARGS, {"precision": "auto", **way})

    def run(out: Path, callbacks: list[Callback], minutes: float = 1e-9) -> Fitted:
        learn = engine.learner(single, deep_bert, args)
        saves = open_saves(out, minutes, {}, overwrite=False)
        return classify.train(learn, single, args, saves=saves, callbacks=callbacks)

    whole = run(tmp_path / "whole", [], minutes=0)
    for batch in (2, 14, 15, 11):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out", [Pull(batch)])
    same(run(tmp_path / "out", []), whole, atol=0)
