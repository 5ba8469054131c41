"""Which classes are confused? A matrix for few classes, the most confused pairs for many."""

import numpy as np
import pandas as pd

from steep.reports.blocks import Cell, Matrices, Matrix
from steep.run_tables import Table
from steep.wording import count, counted

FULL = 8  # a larger matrix does not fit beside another one, nor on a phone
PAIRS = 15


def confusion_counts(predictions: list[pd.DataFrame], labels: list[str]) -> np.ndarray:
    """Rows by truth and prediction, int (labels, labels), summed over tables of predictions."""
    total, place = np.zeros((len(labels), len(labels)), dtype=int), pd.Index(labels)
    for table in predictions:
        pairs = np.array([place.get_indexer(table[name]) for name in ("truth", "predicted")])
        np.add.at(total, tuple(pairs[:, (pairs >= 0).all(axis=0)]), 1)
    return total


def confusion_block(tables: dict[str, np.ndarray], labels: list[str], of: str) -> Matrices | Table:
    """A confusion for each title; `of` says what was counted: 'test rows, summed over 5 seeds'."""
    if len(labels) <= FULL:
        note = f"True classes down, predicted ones across: {of}, and per cent of the true class."
        return Matrices([_matrix(title, t, labels) for title, t in tables.items()], note)
    return _pairs(tables, labels, of)


def _matrix(title: str, table: np.ndarray, labels: list[str]) -> Matrix:
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = range(len(labels))
    rows = [[Cell(count(table[i, j]), float(shares[i, j]), i == j) for j in size] for i in size]
    return Matrix(title, labels, rows)


def _pairs(tables: dict[str, np.ndarray], labels: list[str], of: str) -> Table:
    wrong = sum(tables.values()) * (1 - np.eye(len(labels), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    worst = [divmod(int(place), len(labels)) for place in order if wrong.flat[place] > 0]
    rows = [
        (labels[i], labels[j], *(count(table[i, j]) for table in tables.values())) for i, j in worst
    ]
    return Table(
        caption=f"Most confused classes: {of}",
        columns=("true class", "predicted as", *tables),
        align="ll" + "r" * len(tables),
        rows=rows,
        note=f"{len(rows)} of {counted(int((wrong > 0).sum()), 'confused pair')}; "
        f"{counted(len(labels), 'class')} in all.",
    )
