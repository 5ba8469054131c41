"""What do held-out text and a probe say of step 2 while it trains, and which weights stay?"""

from collections.abc import Callable, Sequence
from typing import Any

from fastai.callback.core import Callback, CancelFitException
from torch import Tensor
from torch.nn.functional import cross_entropy

from steep.data.inputs import Rows
from steep.metrics.probing import linear_score
from steep.metrics.scores import higher_is_better, primary
from steep.models.heads import features
from steep.train.callbacks import At, Bar, Resumable
from steep.train.pile import IGNORED
from steep.train.saves import copied_weights, restore_weights

Line = dict[str, float | None]  # of history.csv
COLUMNS = {"masked_loss": "valid_loss", "masked_accuracy": "valid_accuracy", "probe": "probe"}


class Measure(Callback):
    """Measures something whenever held-out text is validated on.

    `found` holds it under its names in results.json (nothing before anything was measured), `facts`
    what it was measured on. In history.csv the names begin with "valid_".
    """

    run_train, order = False, At.MEASURE

    @property
    def found(self) -> dict[str, float]:
        """What was measured the last time, by name."""
        raise NotImplementedError

    @property
    def facts(self) -> dict[str, Any]:
        """On how much of what, by name (plain JSON values)."""
        raise NotImplementedError


class MaskedScores(Measure):
    """Masked loss and accuracy on the held-out text, over all its masked tokens."""

    def before_validate(self) -> None:
        self.loss_sum, self.right, self.count = 0.0, 0, 0

    def after_pred(self) -> None:
        labels, *further = self.yb
        logits = self.pred[0] if further else self.pred  # of several heads, this one is the first
        loss = cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
        self.loss_sum += float(loss)
        self.right += int((logits.argmax(-1) == labels).sum())
        self.count += int((labels != IGNORED).sum())

    @property
    def loss_per_token(self) -> float:
        return self.loss_sum / self.count

    @property
    def accuracy(self) -> float:
        return self.right / self.count

    @property
    def found(self) -> dict[str, float]:
        return {"masked_loss": self.loss_per_token, "masked_accuracy": self.accuracy}

    @property
    def facts(self) -> dict[str, Any]:
        return {"heldout_tokens": self.count}


def all_found(measures: Sequence[Measure]) -> dict[str, float]:
    """What all of these measured the last time, by name."""
    return {name: value for measure in measures for name, value in measure.found.items()}


class MaskedHistory(Resumable):
    """A line of history for each validation on held-out text, and one of what was found `before`.

    `per_pass` is the number of steps in a pass over the text.
    """

    order = At.HISTORY
    saved = ("lines",)

    def __init__(
        self, measures: Sequence[Measure], bar: Bar, per_pass: int, before: dict[str, float]
    ) -> None:
        self.measures, self.bar, self.per_pass = measures, bar, per_pass
        start: Line = {"step": 0, "epoch": 0.0, "tokens": 0, "train_loss": None}
        end: Line = {"learning_rate": 0.0, "seconds": 0.0}
        self.lines = [start | as_columns(before) | end]

    def after_validate(self) -> None:
        line: Line = {
            "step": self.train_iter,
            "epoch": round(self.train_iter / self.per_pass, 3),
            "tokens": self.bar.tokens,
            "train_loss": self.bar.smooth,
        }
        rate: Line = {"learning_rate": float(self.opt.hypers[0]["lr"])}
        seconds: Line = {"seconds": round(self.bar.seconds, 2)}
        self.lines.append(line | as_columns(all_found(self.measures)) | rate | seconds)


def as_columns(found: dict[str, float]) -> Line:
    """What was measured, under its names in history.csv."""
    return {COLUMNS.get(name, f"valid_{name}"): value for name, value in found.items()}


class Best(Resumable):
    """Keeps the weights of the best validation on held-out text; they are those of the end.

    `worth` is a number of which more is better, of what was found: minus the masked loss, unless
    the probe decides. With `patience`, so many validations in a row without a new best end the
    training. `found` is what was measured at the best `step`.
    """

    order = At.BEST
    saved = ("step", "found", "waited", "weights")

    def __init__(
        self,
        measures: Sequence[Measure],
        bar: Bar,
        patience: int | None,
        worth: Callable[[dict[str, float]], float],
    ) -> None:
        self.measures, self.bar, self.patience, self.worth = measures, bar, patience, worth
        self.step, self.waited, self.stopped = 0, 0, False
        self.found: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}

    def after_validate(self) -> None:
        self.waited += 1
        found = all_found(self.measures)
        if not self.found or self.worth(found) > self.worth(self.found):
            self.step, self.found, self.waited = self.train_iter, found, 0
            self.weights = copied_weights(self.model)
        if self.patience is not None and self.waited >= self.patience:
            assert self.bar.total is not None
            self.stopped = self.train_iter < self.bar.total  # not where the budget is spent anyway
            raise CancelFitException

    def after_fit(self) -> None:
        if self.weights:
            restore_weights(self.weights, self.model)


class Probe(Measure):
    """Scores a linear classifier on the features of labelled rows when held-out text is measured.

    Its `score` is the task's first metric on `valid` (rows of the validation part) of a classifier
    of `train` (Peters et al. 2019, "To Tune or Not to Tune?", call it feature extraction). No
    random number is drawn: training continues as it would have without it.
    """

    order = At.PROBE

    def __init__(self, train: Rows, valid: Rows) -> None:
        self.train_rows, self.valid_rows = train, valid
        self.score: float | None = None

    @property
    def metric(self) -> str:
        return primary(self.train_rows.task)

    @property
    def found(self) -> dict[str, float]:
        return {} if self.score is None else {"probe": self.score}

    @property
    def facts(self) -> dict[str, Any]:
        rows = [len(self.train_rows), len(self.valid_rows)]  # learnt from, and scored on
        return {"probe_metric": self.metric, "probe_rows": rows}

    def worth(self, score: float) -> float:
        """`score` as a number of which more is better."""
        return score if higher_is_better(self.metric) else -score

    def after_validate(self) -> None:
        lm, device = self.model, self.dls.device
        parts = [
            (features(lm.model, rows, lm.autocast, device), rows.corpus.labels())
            for rows in (self.train_rows, self.valid_rows)
        ]
        self.score = linear_score(self.train_rows.task, *parts)
