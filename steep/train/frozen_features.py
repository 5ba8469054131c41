"""When is what a frozen encoder gives computed once for all epochs? While the head trains alone."""

import numpy as np
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor

from steep.data.batches import by_length
from steep.models.pooling import KNOWN, FeatureCache, PooledClassifier
from steep.train.callbacks import At, Bar
from steep.train.rows import ShownRows

MOST = 2_000_000_000  # bytes of memory that features may take
BYTES = 4  # of a number; 2 in bf16


def feature_note(learn: Learner) -> str:
    """What the user should know of a head that trains alone for several epochs."""
    if why := why_not_kept(learn):
        return f"the frozen encoder is computed in every epoch: {why}"
    size = f"{_size(learn) / 1e6:,.1f} MB"
    return f"what the frozen encoder gives is computed once and kept in memory ({size} at most)"


class FrozenFeatures(Callback):
    """Computes once what the head reads of every row, and forgets it after so many `epochs`.

    The rows come in an order and batches of their own, so that a run that was killed finds the same
    features, bit for bit. Dropout of the head is drawn in every epoch, as without.
    """

    order, run_valid = At.FROZEN_FEATURES, False

    def __init__(self, epochs: int, bar: Bar) -> None:
        self.epochs, self.bar = epochs, bar

    def before_train(self) -> None:
        if self.epoch >= self.epochs:
            self.learn.model.cache = None
        elif self.model.cache is None:
            self._compute()

    def after_fit(self) -> None:
        self.learn.model.cache = None

    def _compute(self) -> None:
        cache = self.learn.model.cache = FeatureCache(self.model.model, self.model.reads_first)
        self.model.eval()
        batches = [b for rows in (self.dls.train_ds, self.dls.valid_ds) for b in self._split(rows)]
        tracked = self.bar.track(batches, "frozen encoder, once")
        cache.fill(self.model, (self._inputs(*batch) for batch in tracked))
        self.model.train()

    def _split(self, rows: ShownRows) -> list[tuple[ShownRows, np.ndarray]]:
        """The rows in batches, the longest first: if memory runs out, it does so at once."""
        size, order = max(1, 2 * self.dls.train.bs // rows.most), by_length(rows.lengths)
        return [(rows, some) for some in np.split(order, range(size, len(order), size))]

    def _inputs(self, rows: ShownRows, members: np.ndarray) -> Tensor:
        return rows.batch([rows[i] for i in members])[0].to(self.dls.device)


def why_not_kept(learn: Learner) -> str:
    """Why features cannot be kept, in words; empty where they can."""
    model, kind = learn.model.model, learn.model.model.config.model_type
    head = {id(parameter) for parameter in learn.splitter(learn.model)[-1]}
    within = (id(parameter) in head for parameter in model.base_model.parameters())
    if isinstance(model, PooledClassifier) and any(within):  # what is kept comes after all of it
        return "its last norm trains with the head"
    if kind not in KNOWN:
        return f"what it gives for a row may depend on the batch in models of type '{kind}'"
    size = _size(learn)
    if size > MOST:
        return f"what it gives would take {size / 1e6:,.0f} MB of memory, over {MOST / 1e6:,.0f}"
    return ""


def _size(learn: Learner) -> int:
    """The bytes of the features of all rows, at most."""
    sets = (learn.dls.train_ds, learn.dls.valid_ds)
    cache = FeatureCache(learn.model.model, learn.model.reads_first)
    return BYTES * sum(cache.numbers(int(r.lengths.sum()), len(r) * r.most) for r in sets)
