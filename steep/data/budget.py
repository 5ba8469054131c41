"""Which labels are used when there is a budget? A sample of the training rows, drawn by seed."""

from dataclasses import replace

import numpy as np

from steep.data.corpus import Corpus, Data
from steep.seeds import numbers


def within(data: Data, budget: int | None, seed: int) -> Data:
    """`data` with at most `budget` training rows, drawn from the stream "labels" of `seed`.

    A larger budget contains the smaller one's rows. For single labels at least one row of every
    class is kept, so a budget below the number of classes is raised to it.
    """
    if budget is None or budget >= len(data.train):
        return data
    order = numbers(seed, "labels").permutation(len(data.train))
    chosen = _every_class_first(data.train, order)[: max(budget, _classes(data.train))]
    return replace(data, train=data.train.take(np.sort(chosen)))


def _classes(train: Corpus) -> int:
    return len(np.unique(train.labels())) if train.task and train.task.kind == "single" else 0


def _every_class_first(train: Corpus, order: np.ndarray) -> np.ndarray:
    """`order`, with the first row of every class moved to the front."""
    if not _classes(train):
        return order
    _, first = np.unique(train.labels()[order], return_index=True)
    return np.concatenate([order[np.sort(first)], np.delete(order, first)])
