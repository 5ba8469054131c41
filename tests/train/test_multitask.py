"""Are batches drawn by the shares of the sets, all parts trained, a killed run resumed?"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from transformers import AutoTokenizer

from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import change, make
from steep.shelf.multitask import MultitaskArgs, Sampling
from steep.train import multitask
from steep.train.multitask import Mixture
from steep.train.rows import ShownRows
from steep.train.saves import Saves, open_saves
from tests.conftest import overflowing

ARGS = make(MultitaskArgs, max_length=32, batch_size=16, epochs=2, learning_rate=1e-3, device="cpu")


@pytest.fixture
def sets(single: Data, multi: Data, graded: Data) -> dict[str, Data]:
    """One of each kind, one of them small."""
    few = replace(graded, train=graded.train.take(range(20)))
    return {"single": single, "multi": multi, "graded": few}


def learner(sets: dict[str, Data], checkpoint: Path, args: MultitaskArgs = ARGS) -> Learner:
    args = change(args, {"model": checkpoint})
    return multitask.multitask_learner(sets, args, choose(args.machine))


@pytest.fixture
def mixture(single: Data, tiny_bert: Path) -> Callable[[Sampling, int], Mixture]:
    """A function that mixes 128 rows and 8, in batches of 8."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)

    def mixture(sampling: Sampling, seed: int) -> Mixture:
        parts = {"large": single.train.take(range(128)), "small": single.train.take(range(8))}
        rows = {n: ShownRows(c, single.labelled(), tokenizer, 32) for n, c in parts.items()}
        return Mixture(rows, 8, sampling, seed)

    return mixture


@pytest.mark.parametrize(("sampling", "share"), [("size", 1 / 17), ("root", 1 / 5)])
def test_sets_are_drawn_by_their_shares(
    mixture: Callable, sampling: Sampling, share: float
) -> None:
    mixed, counts = mixture(sampling, 0), Counter[int]()
    assert len(mixed) == 17
    for epoch in range(60):
        mixed.epoch = epoch
        counts.update(which for which, _ in mixed.turns())
    assert counts[1] / counts.total() == pytest.approx(share, abs=0.03)


def test_each_set_runs_through_all_its_rows_and_any_batch_can_be_the_first(
    mixture: Callable,
) -> None:
    mixed, again, seen = mixture("size", 0), mixture("size", 0), list[int]()
    for epoch in range(2):
        mixed.epoch = again.epoch = epoch
        batches = [mixed[i] for i in mixed.order()]
        for index in (9, 3):
            assert torch.equal(again[index][0], batches[index][0])
        for (which, number), batch in zip(mixed.turns(), batches, strict=True):
            assert int(batch[1]) == int(batch[3]) == which
            if which == 0 and number < 16:
                seen += [hash(tuple(row.tolist())) for row in batch[0][:, 0]]
    rows = mixed.sets["large"]
    assert len(seen) == len(rows) == 128
    other = mixture("size", 1)
    assert other.turns() != mixture("size", 0).turns()


def test_the_encoder_is_one_and_every_parameter_moves(
    sets: dict[str, Data], tiny_bert: Path, weights: Callable, moved: Callable
) -> None:
    learn = learner(sets, tiny_bert)
    models = [task.model for task in learn.model.tasks]
    assert all(model.base_model is models[0].base_model for model in models)
    before = weights(learn.model)
    history = multitask.train_multitask(learn, sets, ARGS)
    assert moved(before, learn.model) == before.keys()
    assert [line["epoch"] for line in history] == [1, 2]
    assert {"single accuracy", "multi auc", "graded rmse"} <= history[0].keys()


class Pull(Callback):
    """Pulls the plug at some batch."""

    order = 999

    def __init__(self, at: int) -> None:
        self.left = at

    def after_batch(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_killed_run_ends_in_the_same_bits(
    sets: dict[str, Data], tiny_bert: Path, tmp_path: Path, weights: Callable
) -> None:
    def run(saves: Saves, *callbacks: Callback) -> tuple[dict, list]:
        learn = learner(sets, tiny_bert)
        learn.add_cbs(callbacks)
        history = multitask.train_multitask(learn, sets, ARGS, saves)
        return weights(learn.model), [line | {"seconds": 0} for line in history]

    whole = run(Saves())
    for batch in (3, 12, 9):
        with pytest.raises(KeyboardInterrupt):
            run(open_saves(tmp_path / "out", 1e-9, {}, overwrite=False), Pull(batch))
    resumed = run(open_saves(tmp_path / "out", 1e-9, {}, overwrite=False))
    assert all(torch.equal(value, resumed[0][name]) for name, value in whole[0].items())
    assert resumed[1] == whole[1]


def test_a_diverged_run_is_told(sets: dict[str, Data], tiny_bert: Path) -> None:
    args = overflowing(ARGS)
    with pytest.raises(SteepError, match="Choose a learning_rate below"):
        multitask.train_multitask(learner(sets, tiny_bert, args), sets, args)


def test_discriminative_rates_know_all_heads(sets: dict[str, Data], tiny_bert: Path) -> None:
    learn = learner(sets, tiny_bert)
    groups = learn.splitter(learn.model)
    top = {id(p) for p in groups[-1]}
    heads = [p for task in learn.model.tasks for p in task.model.classifier.parameters()]
    assert {id(p) for p in heads} <= top
    assert sum(map(len, groups)) == len(list(learn.model.parameters()))
