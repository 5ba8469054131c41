"""Does fastai's AWD-LSTM learn the text, and the labels, the same with the same seed?"""

from pathlib import Path

import numpy as np
import pytest
import torch

from steep.args import MachineArgs, TuneArgs
from steep.data.corpus import Data
from steep.metrics.scores import primary, score
from steep.options import make
from steep.shelf.awd_lstm.awd_arm import Awd, load_awd, read_awd
from steep.study.arms import CellInput
from steep.train import awd_lstm


@pytest.fixture(scope="module")
def learnt(tiny_awd: Path, single: Data) -> tuple[Awd, dict, list]:
    """The tiny model after 3 passes over the same few texts again and again, which it can learn."""
    texts, start = single.train.whole(), read_awd(tiny_awd)
    return awd_lstm.adapt_awd(
        [*texts, *texts[:10] * 300], texts[:10] * 5, start, 3, 0, torch.device("cpu")
    )


def test_the_text_is_learnt(learnt: tuple[Awd, dict, list], single: Data) -> None:
    _, found, history = learnt
    loss = found["next_word_loss"]
    assert loss["after"] < loss["before"] - 0.05
    assert [line["epoch"] for line in history] == [1, 2, 3, 4] and found["epochs"] == 4
    assert history[-1]["valid_loss"] == loss["after"]


def test_known_words_begin_as_they_are_and_new_ones_as_the_mean(tiny_awd: Path) -> None:
    start = read_awd(tiny_awd)
    words = ["xxunk", "xxpad", "good", "unheard-of"]
    learn = awd_lstm._language([["good"] * 200] * 2, [["good"] * 200], words, start, "cpu")
    table, before = learn.model[0].encoder.weight, start.weights["0.encoder.weight"]
    assert torch.equal(table[2], before[start.words.index("good")])
    assert torch.allclose(table[3], before.mean(0))
    before = start.weights["0.rnns.1.weight_hh_l0_raw"]
    assert torch.equal(learn.model[0].rnns[1].weight_hh_l0_raw, before)


def test_an_encoder_is_read_as_it_was_saved(learnt: tuple[Awd, dict, list], tmp_path: Path) -> None:
    learnt[0].save(tmp_path)
    again = load_awd(tmp_path)
    assert again.words == learnt[0].words
    assert all(torch.equal(again.weights[n], t) for n, t in learnt[0].weights.items())


def fitted(start: Awd, data: Data, seed: int = 0, epochs: int = 6) -> tuple:
    assert data.test is not None
    cell = CellInput(
        data=data,
        test=data.test,
        base="",
        encoder=None,
        tune=make(TuneArgs, epochs=epochs, batch_size=8),
        seed=seed,
        metric=primary(data.labelled()),
        machine=MachineArgs(),
        description="test",
    )
    found = awd_lstm.fit_awd(cell, start, torch.device("cpu"))
    return found.valid, found.test, found.history


def test_labels_are_learnt_the_same_with_the_same_seed(
    learnt: tuple[Awd, dict, list], single: Data
) -> None:
    valid, tested, history = fitted(learnt[0], single)
    assert [line["epoch"] for line in history] == list(range(1, 10))
    assert valid.shape == (len(single.valid), 2)
    np.testing.assert_allclose(tested.sum(1), 1, atol=1e-5)
    again = fitted(learnt[0], single)
    np.testing.assert_array_equal(tested, again[1])
    other = fitted(learnt[0], single, seed=1)
    assert not np.allclose(tested, other[1])
    best = max(line["accuracy"] for line in history)  # its weights are kept
    found = score(single.labelled(), single.valid.labels(), valid)
    assert found["accuracy"] == pytest.approx(best)


def test_predictions_are_in_the_order_of_the_rows(
    learnt: tuple[Awd, dict, list], single: Data
) -> None:
    """Texts of every length: the loader sorts them, the predictions must not be."""
    first = fitted(learnt[0], single, epochs=1)[1]
    order = np.random.default_rng(0).permutation(len(single.test))
    turned = Data(**{**single.__dict__, "test": single.test.take(order)})
    np.testing.assert_allclose(fitted(learnt[0], turned, epochs=1)[1], first[order], atol=1e-5)


def test_several_labels_and_numbers(
    learnt: tuple[Awd, dict, list], multi: Data, graded: Data
) -> None:
    both = fitted(learnt[0], multi, epochs=1)[1]
    assert both.shape == (len(multi.test), 2) and (both.sum(1) != 1).any()
    numbers = fitted(learnt[0], graded, epochs=1)[1]
    assert numbers.shape == (len(graded.test),) and 300 < numbers.mean() < 700
