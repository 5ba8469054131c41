"""What is step 2 good for, while it trains? A linear probe of the encoder's frozen features."""

from typing import Any

from steep.data.inputs import Rows
from steep.metrics.linear import linear_score
from steep.metrics.scores import higher_is_better, primary
from steep.models.features import features
from steep.train.callback_order import At
from steep.train.heldout import Measure


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
