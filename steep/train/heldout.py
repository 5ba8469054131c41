"""What does held-out text say of step 2 while it trains, and which weights stay?"""

from collections.abc import Callable

from fastai.callback.core import Callback, CancelFitException
from torch import Tensor
from torch.nn.functional import cross_entropy

from steep.train.callbacks import Bar
from steep.train.checkpoints import Remembering, copy_of, copy_weights
from steep.train.probe import Probe
from steep.train.windows import IGNORED

Line = dict[str, float | None]  # of history.csv

COLUMNS = {
    "masked_loss": "valid_loss",
    "masked_accuracy": "valid_accuracy",
    "pair_accuracy": "valid_pair_accuracy",
    "probe": "probe",
}


class MaskedScores(Callback):
    """Masked loss and accuracy on the held-out text, over all its masked tokens.

    Where sentence pairs are judged, too, `pair_accuracy` is the share judged right; with a probe,
    `probe` is what it scored.
    """

    run_train, order = False, 60

    def __init__(self, probe: Probe | None = None) -> None:
        self.probe = probe

    def before_validate(self) -> None:
        self.loss_sum, self.right, self.count = 0.0, 0, 0
        self.pairs_right, self.pairs = 0, 0

    def after_pred(self) -> None:
        labels, *pair_labels = self.yb
        logits, *pair_logits = self.pred if pair_labels else (self.pred,)
        loss = cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
        self.loss_sum += float(loss)
        self.right += int((logits.argmax(-1) == labels).sum())
        self.count += int((labels != IGNORED).sum())
        for found, truth in zip(pair_logits, pair_labels, strict=True):
            self.pairs_right += int((found.argmax(-1) == truth).sum())
            self.pairs += int((truth != IGNORED).sum())

    @property
    def loss_per_token(self) -> float:
        return self.loss_sum / self.count

    @property
    def accuracy(self) -> float:
        return self.right / self.count

    @property
    def found(self) -> dict[str, float]:
        """All that was measured, under its name in results.json."""
        found = {"masked_loss": self.loss_per_token, "masked_accuracy": self.accuracy}
        probe = None if self.probe is None else self.probe.score
        further = {"pair_accuracy": self.pair_accuracy, "probe": probe}
        return found | {name: value for name, value in further.items() if value is not None}

    @property
    def pair_accuracy(self) -> float | None:
        return self.pairs_right / self.pairs if self.pairs else None


class MaskedHistory(Remembering):
    """A line of history for each measurement of the held-out text, and one of what was `before`."""

    order = 90
    kept = ("lines",)

    def __init__(
        self, scores: MaskedScores, bar: Bar, per_pass: int, before: dict[str, float]
    ) -> None:
        self.scores, self.bar_of_run, self.per_pass = scores, bar, per_pass
        start: Line = {"step": 0, "epoch": 0.0, "tokens": 0, "train_loss": None}
        end: Line = {"learning_rate": 0.0, "seconds": 0.0}
        self.lines = [start | measured(before) | end]

    def after_validate(self) -> None:
        line: Line = {
            "step": self.train_iter,
            "epoch": round(self.train_iter / self.per_pass, 3),
            "tokens": self.bar_of_run.tokens,
            "train_loss": self.bar_of_run.smooth,
        }
        rate: Line = {"learning_rate": float(self.opt.hypers[0]["lr"])}
        seconds: Line = {"seconds": round(self.bar_of_run.seconds, 2)}
        self.lines.append(line | measured(self.scores.found) | rate | seconds)


def measured(found: dict[str, float]) -> Line:
    """What `MaskedScores` found, under its names in history.csv."""
    return {COLUMNS[name]: value for name, value in found.items()}


class Best(Remembering):
    """Keeps the weights of the measurement that is worth most; they are those of the end.

    `worth` says it of what `MaskedScores` found: the lower the masked loss the better, unless the
    probe decides. With `patience`, that many measurements in a row without a new best end the
    training. `found` is what was measured at the best `step`.
    """

    order = 95  # after the line of history is written
    kept = ("step", "found", "waited", "weights")

    def __init__(
        self, scores: MaskedScores, patience: int | None, worth: Callable[[dict[str, float]], float]
    ) -> None:
        self.scores, self.patience, self.worth = scores, patience, worth
        self.step, self.waited, self.stopped = 0, 0, False
        self.found: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}

    def after_validate(self) -> None:
        self.waited += 1
        found = self.scores.found
        if not self.found or self.worth(found) > self.worth(self.found):
            self.step, self.found, self.waited = self.train_iter, found, 0
            self.weights = copy_of(self.model)
        if self.patience is not None and self.waited >= self.patience:
            self.stopped = self.train_iter < self.bar.total
            raise CancelFitException

    def after_fit(self) -> None:
        if self.weights:
            copy_weights(self.weights, self.model)
