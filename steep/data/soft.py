"""What do labels mean that are probabilities, of annotators or of a teacher? They are soft labels.

Decisions, splits and metrics go by what is most probable; training goes by the probabilities.
"""

from collections.abc import Sequence

import numpy as np

from steep.args.table import LabelArgs
from steep.data.corpus import Task
from steep.data.label_lists import check_same_labels
from steep.data.labels import Encoded, names_of, unfold
from steep.data.raw import Column
from steep.errors import SteepError
from steep.wording import some

NEAR = 0.01  # probabilities of classes may miss a sum of 1 by this much, as they are rounded


def encode_soft(columns: Sequence[Column], args: LabelArgs, task: Task | None = None) -> Encoded:
    """Columns of probabilities as the most probable labels, and as they are.

    One column is the probability of a class against its absence. Several are classes where they sum
    to 1 in every row (or `args.task` is single), else labels, of which a row has any number. Raises
    SteepError at a cell that is no probability, and at classes that do not sum to 1.
    """
    if args.task == "regression":
        raise SteepError("soft: a quantity has no probabilities. Leave --soft out, or --task.")
    columns, notes = unfold(columns, args, task)
    notes += tuple(note for column in columns for note in column.number_notes())
    wanted = "a probability from 0 to 1"
    shares = np.stack([column.filled().numbers(wanted, 0, 1) for column in columns], axis=1)
    names, first = names_of(columns), columns[0]
    if len(names) == 1:
        names, shares = (f"not {names[0]}", *names), np.hstack([1 - shares, shares])
    kind = task.kind if task is not None else _kind(shares, args)
    check_same_labels(names, task, first.source)
    if kind == "multi":
        values = (shares >= 0.5).astype(np.float32)
        return _soft(Task("multi", names), values, shares, task, notes)
    sums = shares.sum(axis=1)
    for at in np.flatnonzero(np.abs(sums - 1) > NEAR)[:1]:
        raise SteepError(
            f"{first.source}, row {first.rows[at] + 1}: the probabilities of {some(names)} "
            f"sum to {sums[at]:.3g}, not to 1. Say --task multi if a row may have several labels."
        )
    ties = int(((shares == shares.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
    if ties:
        told = f"{ties:,} of {len(shares):,} rows have several most probable classes"
        notes += (f"soft labels: {told}: the first of them counts as theirs",)
    return _soft(Task("single", names), shares.argmax(axis=1), shares / sums[:, None], task, notes)


def _kind(shares: np.ndarray, args: LabelArgs) -> str:
    if args.task != "auto":
        return args.task
    return "single" if (np.abs(shares.sum(axis=1) - 1) <= NEAR).all() else "multi"


def _soft(
    task: Task, values: np.ndarray, shares: np.ndarray, known: Task | None, notes: tuple[str, ...]
) -> Encoded:
    if known is None:
        one, size = "one of" if task.kind == "single" else "any of", len(task.labels)
        one_each = values.ndim == 1
        counts = np.bincount(values, minlength=size) if one_each else values.sum(axis=0).astype(int)
        named = zip(task.labels, counts, strict=True)
        mostly = some([f"{name} {count:,}" for name, count in named], 30)
        between = ((shares > 0) & (shares < 1)).any(axis=1).mean()
        told = f"soft labels: {one} {size}, most probable {mostly}; {between:.0%} of rows have a"
        notes = (f"{told} probability strictly between 0 and 1", *notes)
    return Encoded(task, values, notes, shares.astype(np.float32))
