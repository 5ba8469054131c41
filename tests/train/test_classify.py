"""Is the best epoch kept, a run repeatable, and a diverged one told?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from steep.args import FitArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.metrics.scores import score
from steep.models.devices import choose
from steep.options import change, make
from steep.train import classify, readings
from steep.train.classify import Fitted
from tests.conftest import overflowing

LONG = 12  # epochs to learn from 140 rows with a random encoder
ARGS = make(
    FitArgs,
    pooling="model",
    max_length=32,
    batch_size=8,
    epochs=6,
    learning_rate=0.005,
    device="cpu",
    precision="fp32",
    keep_epoch="best",
)


def fit(data: Data, checkpoint: Path, args: FitArgs = ARGS) -> Fitted:
    return train(learner(data, checkpoint, args), data, args)


def learner(data: Data, checkpoint: Path, args: FitArgs) -> Learner:
    return classify.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


def train(learn: Learner, data: Data, args: FitArgs) -> Fitted:
    return classify.train(learn, data, args.tune, args.metric.metric, args.seed.seed)


@pytest.fixture(scope="module")
def fitted(single: Data, tiny_bert: Path) -> Fitted:
    return fit(single, tiny_bert, change(ARGS, {"epochs": LONG}))


def test_it_learns_what_the_table_tells(fitted: Fitted, single: Data) -> None:
    assert single.test is not None
    test = single.test
    probabilities = fitted.predict(test, choose(ARGS.machine))
    assert score(single.labelled(), test.labels(), probabilities)["accuracy"] > 0.85
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_the_history_has_a_line_an_epoch(fitted: Fitted) -> None:
    assert [line["epoch"] for line in fitted.history] == [*range(1, LONG + 1)]
    assert {"train_loss", "valid_loss", "accuracy", "learning_rate", "seconds"} <= {
        *fitted.history[0]
    }
    assert fitted.history[-1]["train_loss"] < 0.7 * fitted.history[0]["train_loss"]
    assert not fitted.diverged
    assert fitted.tokens_per_second > 0


def test_every_parameter_moves(
    single: Data, tiny_bert: Path, weights: Callable, moved: Callable
) -> None:
    args = change(ARGS, {"epochs": 1})
    learn = learner(single, tiny_bert, args)
    before = weights(learn.model)
    train(learn, single, args)
    assert moved(before, learn.model) == before.keys()


def test_the_same_seed_gives_the_same_weights(
    single: Data, tiny_bert: Path, weights: Callable
) -> None:
    args = change(ARGS, {"epochs": 2})
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(runs))  # what was drawn before must not matter
        runs.append(weights(fit(single, tiny_bert, change(args, {"seed": seed})).learn.model))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not any(torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


class Spoil(Callback):
    """Before validation from epoch `start` on: a head that turns every answer round."""

    run_train, order = False, 0

    def __init__(self, start: int) -> None:
        self.start = start
        self.seen: list[dict[str, torch.Tensor]] = []

    def before_validate(self) -> None:
        if self.epoch + 1 == self.start:
            self.model.model.classifier.weight.data.mul_(-1)
            self.model.model.classifier.bias.data.mul_(-1)
        state = self.model.state_dict()
        self.seen.append({name: value.clone() for name, value in state.items()})


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_best_epoch_is_kept(single: Data, tiny_bert: Path, metric: str) -> None:
    # Epochs 5 and 6 train at a rate of next to nothing, from a head that was turned round.
    args = change(ARGS, {"schedule": "one-cycle", "metric": metric})
    learn = learner(single, tiny_bert, args)
    spoil = Spoil(start=6)
    learn.add_cb(spoil)
    fitted = train(learn, single, args)
    values = [line[metric] for line in fitted.history]
    worst = values[5] == (min(values) if metric == "accuracy" else max(values))
    assert worst, "the last epoch is to be the worst one"
    assert fitted.best_epoch < 6
    best = values[fitted.best_epoch - 1]
    assert best == (max(values) if metric == "accuracy" else min(values))
    for name, value in learn.model.state_dict().items():
        assert torch.equal(value, spoil.seen[fitted.best_epoch - 1][name]), name
    again = score(
        single.labelled(), single.valid.labels(), fitted.predict(single.valid, choose(args.machine))
    )
    assert again[metric] == pytest.approx(best, abs=1e-5)


def test_an_unknown_metric_is_refused(single: Data, tiny_bert: Path) -> None:
    with pytest.raises(SteepError, match="rmse"):
        fit(single, tiny_bert, change(ARGS, {"metric": "rmse"}))


class Explode(Callback):
    """The loss is not a number from step `step` on."""

    order = readings.StopIfDiverged.order - 1

    def __init__(self, step: int) -> None:
        self.step_of_nan = step

    def after_loss(self) -> None:
        if self.training and self.train_iter >= self.step_of_nan:
            self.learn.loss_grad = self.learn.loss_grad * float("nan")
            self.learn.loss = self.learn.loss_grad.clone()


def diverge(data: Data, checkpoint: Path, step: int) -> Fitted:
    learn = learner(data, checkpoint, ARGS)
    learn.add_cb(Explode(step))
    return train(learn, data, ARGS)


def test_a_loss_that_is_no_number_ends_the_run(single: Data, tiny_bert: Path) -> None:
    first, later = diverge(single, tiny_bert, 3), diverge(single, tiny_bert, 20)
    assert (first.diverged, len(first.history)) == (True, 0)
    assert (later.diverged, len(later.history)) == (True, 1)
    for fitted, epoch in ((first, 1), (later, 2)):
        with pytest.raises(SteepError, match=rf"infinite in epoch {epoch}.* below 0\.005"):
            classify.check_finite(fitted, ARGS.tune)
        # No step was taken with it, so a study can still score what there is.
        assert np.isfinite(fitted.predict(single.valid, choose(ARGS.machine))).all()


def test_a_good_run_passes_the_check(fitted: Fitted) -> None:
    classify.check_finite(fitted, ARGS.tune)


def test_weights_that_overflow_are_told(single: Data, tiny_bert: Path) -> None:
    args = overflowing(change(ARGS, {"epochs": 1}))
    fitted = fit(single, tiny_bert, args)
    assert fitted.diverged
    with pytest.raises(SteepError, match="Choose a learning_rate below"):
        classify.check_finite(fitted, args.tune)


def test_weights_that_overflow_in_an_epochs_last_step_are_told(
    single: Data, tiny_bert: Path
) -> None:
    args = overflowing(change(ARGS, {"epochs": 1, "batch_size": 512}))
    fitted = fit(single, tiny_bert, args)
    assert fitted.diverged


def test_a_regression_predicts_on_the_targets_own_scale(
    graded: Data, tiny_bert: Path, tmp_path: Path
) -> None:
    fitted = fit(graded, tiny_bert, change(ARGS, {"epochs": 30, "learning_rate": 0.003}))
    with fitted.learn.no_bar():
        learners, _ = fitted.learn.get_preds()
    classify.in_own_units(fitted)
    machine = choose(ARGS.machine)
    found = fitted.predict(graded.valid, machine)
    assert found.shape == (len(graded.valid),)
    assert score(graded.labelled(), graded.valid.labels(), found)["rmse"] < 60  # of 80 by the mean
    np.testing.assert_allclose(found, learners.numpy(), rtol=1e-4)
    with fitted.learn.no_bar():
        np.testing.assert_allclose(fitted.learn.get_preds()[0].numpy(), found, rtol=1e-4)
    classify.in_own_units(fitted)  # a second call changes nothing
    np.testing.assert_allclose(fitted.predict(graded.valid, machine), found, rtol=1e-6)
    fitted.learn.model.model.save_pretrained(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    for index, text in enumerate(list(graded.valid.table["text"])[:5]):
        value = plain(**tokenizer(text, return_tensors="pt")).logits.item()
        assert value == pytest.approx(found[index], rel=1e-4)


def test_several_labels_are_learnt(multi: Data, tiny_bert: Path) -> None:
    fitted = fit(multi, tiny_bert, change(ARGS, {"epochs": LONG, "seed": 2}))
    found = fitted.predict(multi.valid, choose(ARGS.machine))
    assert found.shape == (len(multi.valid), 2)
    assert score(multi.labelled(), multi.valid.labels(), found)["auc"] > 0.8
