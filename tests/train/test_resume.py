"""Does a run that was stopped anywhere end in the weights of one that was not?"""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from torch import Tensor
from transformers import AutoTokenizer, BertModel

from steep import runs
from steep.args import AdaptArgs, FitArgs
from steep.data.corpus import Data
from steep.data.inputs import frame
from steep.data.tokens import tokenize
from steep.errors import SteepError, Stopped
from steep.models.devices import Machine, choose
from steep.models.masked_lm import load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import change, make
from steep.train import classify, engine, masked, saves
from steep.train.masked import Laid
from steep.train.pile import Pile
from steep.train.saves import open_saves, read_state_header, write_state
from steep.train.session import Hooks

ADAPT = make(
    AdaptArgs, max_length=16, batch_tokens=256, epochs=1, learning_rate=0.003, device="cpu"
)
FIT = make(
    FitArgs,
    max_length=32,
    batch_size=16,
    gradient_accumulation_steps=2,
    epochs=3,
    learning_rate=0.001,
    device="cpu",
)
MACHINES = {
    "torch's dropout": Machine(torch.device("cpu"), bf16=False, attention="eager"),
    "fast layers": Machine(torch.device("cpu"), bf16=True, attention="eager", fast=True),
}
EVERY_STEP = 1e-9  # minutes


class Pull(Callback):
    """Pulls the plug at some batch, counted over training and validation."""

    order = 999

    def __init__(self, at: int) -> None:
        self.left = at

    def after_batch(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Machine:
    return MACHINES[request.param]


@pytest.fixture(scope="module")
def headless(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT without its masked-LM head: step 2 then has two phases."""
    folder = tmp_path_factory.mktemp("headless")
    BertModel.from_pretrained(tiny_bert).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that lets every fit end in an interruption at its batch number so and so."""
    run = engine.run_fit

    def at(batch: int) -> None:
        pull = Pull(batch)

        def pulled(*given: Any) -> None:
            *before, callbacks, own = given
            run(*before, [*callbacks, pull], own)

        monkeypatch.setattr(engine, "run_fit", pulled if batch else run)

    return at


def adapted(
    checkpoint: Path,
    data: Data,
    machine: Machine,
    out: Path,
    minutes: float = EVERY_STEP,
    args: AdaptArgs = ADAPT,
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Weights and history of step 2, resumed where there is a save."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    text = tokenize(data.train, tokenizer)
    pile = Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)
    lm, spans = load_masked_lm(checkpoint, "eager", 0), pile.spans()
    own = open_saves(out, minutes, {}, overwrite=False)
    laid = Laid(pile, spans[20:], spans[:20])
    report = masked.train(lm, laid, args.pretrain, machine, args.seed.seed, Hooks(saves=own))
    return lm.model.state_dict(), [without(line, "seconds") for line in report["history"]]


def fitted(
    checkpoint: Path, data: Data, out: Path, minutes: float = EVERY_STEP
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Weights and history of step 3, resumed where there is a save."""
    machine = choose(FIT.machine)
    learn = classify.learner(data, checkpoint, FIT.tune, machine, FIT.seed.seed)
    own = open_saves(out, minutes, {}, overwrite=False)
    found = classify.train(learn, data, FIT.tune, None, FIT.seed.seed, Hooks(saves=own))
    return learn.model.state_dict(), [without(line, "seconds") for line in found.history]


@pytest.fixture(scope="module")
def whole(headless: Path, single: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """Weights and history of step 2 with the fast layers, in peace."""
    out = tmp_path_factory.mktemp("peace") / "out"
    return adapted(headless, single, MACHINES["fast layers"], out, minutes=0)


def without(line: dict[str, float], name: str) -> dict[str, float]:
    return {key: value for key, value in line.items() if key != name}


def same(one: tuple, two: tuple) -> None:
    """Weights bit for bit, and histories."""
    assert one[0].keys() == two[0].keys()
    for name, value in one[0].items():
        assert torch.equal(value, two[0][name]), name
    assert one[1] == two[1]


def test_step_2_is_resumed_at_any_batch(
    headless: Path, single: Data, machine: Machine, plug: Callable, tmp_path: Path
) -> None:
    whole = adapted(headless, single, machine, tmp_path / "whole", minutes=0)
    for batch in (1, 3, 5, 9):
        plug(batch)
        with pytest.raises(KeyboardInterrupt):
            adapted(headless, single, machine, tmp_path / "out")
    plug(0)
    same(whole, adapted(headless, single, machine, tmp_path / "out"))


def test_step_2_with_its_options_is_resumed_at_any_batch(
    tiny_bert: Path, single: Data, plug: Callable, tmp_path: Path
) -> None:
    machine = MACHINES["torch's dropout"]
    args = change(
        ADAPT,
        {
            "epochs": None,
            "max_steps": 8,
            "eval_steps": 3,
            "gradient_accumulation_steps": 2,
            "layer_decay": 0.9,
        },
    )
    args = change(
        args, {"gradient_checkpointing": True, "early_stopping_patience": 2, "learning_rate": 0.03}
    )
    whole = adapted(tiny_bert, single, machine, tmp_path / "whole", minutes=0, args=args)
    kept = [line["step"] for line in whole[1] if line["kept"]]
    assert kept and kept != [8], "the best comes before the last, so that it has to be remembered"
    for batch in (2, 3, 4):
        plug(batch)
        with pytest.raises(KeyboardInterrupt):
            adapted(tiny_bert, single, machine, tmp_path / "out", args=args)
    plug(0)
    same(whole, adapted(tiny_bert, single, machine, tmp_path / "out", args=args))


def test_step_3_is_resumed_at_any_batch(
    tiny_bert: Path, single: Data, plug: Callable, tmp_path: Path
) -> None:
    whole = fitted(tiny_bert, single, tmp_path / "whole", minutes=0)
    for batch in (2, 5, 5, 3, 2, 8):
        plug(batch)
        with pytest.raises(KeyboardInterrupt):
            fitted(tiny_bert, single, tmp_path / "out")
    plug(0)
    same(whole, fitted(tiny_bert, single, tmp_path / "out"))


def stop_step_2(
    checkpoint: Path, data: Data, out: Path, plug: Callable[[int], None], batch: int
) -> None:
    plug(batch)
    with pytest.raises(KeyboardInterrupt):
        adapted(checkpoint, data, MACHINES["fast layers"], out)
    plug(0)


def test_one_whole_save_is_kept_and_no_more(
    headless: Path, single: Data, whole: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []

    def half(path: Path, state: dict[str, Any]) -> None:
        saved.append(state["train_iter"])
        if len(saved) == 5:
            path.write_bytes(b"half of a save")
            raise KeyboardInterrupt
        write_state(path, state)

    monkeypatch.setattr(saves, "write_state", half)
    with pytest.raises(KeyboardInterrupt):
        adapted(headless, single, MACHINES["fast layers"], tmp_path / "out")
    unfinished = runs.unfinished(tmp_path / "out")
    assert [path.name for path in unfinished.iterdir()] == [runs.SAVE]
    assert read_state_header(unfinished / runs.SAVE)["train_iter"] == saved[3]
    monkeypatch.setattr(saves, "write_state", lambda *_: pytest.fail("saved, with --save-every 0"))
    same(whole, adapted(headless, single, MACHINES["fast layers"], tmp_path / "out", minutes=0))


def test_a_full_disk_does_not_end_the_run_but_is_said(
    tiny_bert: Path,
    single: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saves, "write_state", full)
    adapted(tiny_bert, single, MACHINES["fast layers"], tmp_path / "out")
    assert "could not save" in capsys.readouterr().err


def test_minutes_are_turned_into_steps_once(
    headless: Path,
    single: Data,
    plug: Callable,
    whole: tuple,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_step_2(headless, single, tmp_path / "out", plug, 5)
    monkeypatch.setattr(masked, "_steps", lambda *_: pytest.fail("measured again"))
    same(whole, adapted(headless, single, MACHINES["fast layers"], tmp_path / "out"))


def test_a_run_is_resumed_only_as_itself(
    headless: Path, single: Data, plug: Callable, tmp_path: Path
) -> None:
    stop_step_2(headless, single, tmp_path / "out", plug, 2)
    other = {"options": {"epochs": 3.0, "seed": 0}}
    with pytest.raises(SteepError, match=r"other options \(epochs, seed\).*--overwrite"):
        open_saves(tmp_path / "out", 5, other, overwrite=False)
    assert open_saves(tmp_path / "out", 5, {}, overwrite=True).found is not None
    assert open_saves(tmp_path / "out", 5, other, overwrite=True).found is None
    assert not runs.unfinished(tmp_path / "out").exists()


def test_a_signal_saves_after_the_step_and_ends(
    headless: Path,
    single: Data,
    plug: Callable,
    whole: tuple,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, before = MACHINES["fast layers"], signal.getsignal(signal.SIGINT)
    for number, kind in ((2, signal.SIGHUP), (5, signal.SIGTERM)):
        monkeypatch.setattr(Pull, "after_batch", signalling(number, kind))
        plug(1)
        with pytest.raises(Stopped, match="Saved after step .* Run the same command") as stopped:
            adapted(headless, single, machine, tmp_path / "out", minutes=60)
        assert stopped.value.number == kind
    plug(0)
    assert signal.getsignal(signal.SIGINT) is before
    same(whole, adapted(headless, single, machine, tmp_path / "out", minutes=60))


def signalling(number: int, kind: signal.Signals) -> Callable[[Pull], None]:
    """An `after_batch` that sends a signal to this process at its batch `number`."""
    left = [number]

    def after_batch(pull: Pull) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(kind)

    return after_batch
