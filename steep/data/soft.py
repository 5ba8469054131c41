"""What do labels mean that are probabilities, of raters or of a teacher? Classes or labels, softly.

Decisions, splits and metrics go by what is most probable; training goes by the probabilities.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from steep.args import TableArgs
from steep.data.corpus import Task
from steep.data.labels import Columns, Encoded, filled
from steep.errors import SteepError

NEAR = 0.01  # probabilities of classes may miss a sum of 1 by this much, as they are rounded


def encode(
    columns: Columns, rows: np.ndarray, args: TableArgs, source: str, task: Task | None = None
) -> Encoded:
    """Columns of probabilities as the most probable labels, and as they are.

    One column is the probability of a class against its absence. Several are classes where they sum
    to 1 in every row (or `args.task` is single), else labels, of which a row has any number. `rows`
    are the row numbers (n,) for messages. Raises SteepError at a cell that is no probability, and
    at classes that do not sum to 1.
    """
    if args.task == "regression":
        raise SteepError("soft: a quantity has no probabilities. Leave --soft out, or --task.")
    shares = np.stack([_shares(cells, rows, source, n) for n, cells in columns.items()], axis=1)
    names = tuple(columns)
    if len(names) == 1:
        names, shares = (f"not {names[0]}", *names), np.hstack([1 - shares, shares])
    kind = task.kind if task is not None else _kind(shares, args)
    if task is not None and names != task.labels:
        raise SteepError(
            f"{source}: the labels must be {', '.join(task.labels)}, not {', '.join(names)}."
        )
    if kind == "multi":
        return _finish(Task("multi", names), (shares >= 0.5).astype(np.float32), shares, task)
    sums = shares.sum(axis=1)
    for at in np.flatnonzero(np.abs(sums - 1) > NEAR)[:1]:
        raise SteepError(
            f"{source}, row {rows[at] + 1}: the probabilities of {', '.join(names)} sum to "
            f"{sums[at]:.3g}, not to 1. Say --task multi if a row may have several labels."
        )
    return _finish(Task("single", names), shares.argmax(axis=1), shares / sums[:, None], task)


def _shares(cells: pa.ChunkedArray, rows: np.ndarray, source: str, name: str) -> np.ndarray:
    values = np.empty(len(rows))
    for at, text in enumerate(filled(cells, rows, source, name).to_pylist()):
        try:
            values[at] = float(text)
        except ValueError:
            values[at] = np.nan
        if not 0 <= values[at] <= 1:
            raise SteepError(
                f"{source}, row {rows[at] + 1}, column '{name}': expected a probability from 0 to "
                f"1, not '{text}'."
            )
    return values


def _kind(shares: np.ndarray, args: TableArgs) -> str:
    if args.task != "auto":
        return args.task
    return "single" if (np.abs(shares.sum(axis=1) - 1) <= NEAR).all() else "multi"


def _finish(task: Task, values: np.ndarray, shares: np.ndarray, known: Task | None) -> Encoded:
    notes = () if known is not None else (_told(task, values, shares),)
    return Encoded(task, values, notes, shares.astype(np.float32))


def _told(task: Task, values: np.ndarray, shares: np.ndarray) -> str:
    one = "one of" if task.kind == "single" else "any of"
    mostly = _counted(task.labels, values)
    between = ((shares > 0) & (shares < 1)).any(axis=1).mean()
    return (
        f"soft labels: {one} {len(task.labels)}, most probable {mostly}; {between:.0%} of rows are "
        "neither 0 nor 1 throughout"
    )


def _counted(names: Sequence[str], values: np.ndarray) -> str:
    if values.ndim == 1:
        counts = np.bincount(values, minlength=len(names))
    else:
        counts = values.sum(axis=0).astype(int)
    return ", ".join(f"{name} {count:,}" for name, count in zip(names, counts, strict=True))
