"""Which classes are taken for which? A matrix of few; of many a map, and the worst pairs."""

import numpy as np
import pandas as pd

from steep.reports.blocks import Block, Cell, Map, Matrices, Matrix
from steep.run_tables import Table
from steep.wording import brief, count, counted

FULL = 8  # a larger matrix does not fit beside another one, nor on a phone
MAPPED = 30  # classes of a map
LONGEST = 22  # letters of a class beside it
PAIRS = 15


def confusion_counts(predictions: list[pd.DataFrame], labels: list[str]) -> np.ndarray:
    """Rows by truth and prediction, int (labels, labels), summed over tables of predictions."""
    total, place = np.zeros((len(labels), len(labels)), dtype=int), pd.Index(labels)
    for table in predictions:
        pairs = np.array([place.get_indexer(table[name]) for name in ("truth", "predicted")])
        np.add.at(total, tuple(pairs[:, (pairs >= 0).all(axis=0)]), 1)
    return total


def confusion_blocks(tables: dict[str, np.ndarray], labels: list[str], of: str) -> list[Block]:
    """A confusion for each title; `of` says what was counted: 'test rows, summed over 5 seeds'.

    Of many classes there is a map of the last one only.
    """
    if len(labels) <= FULL:
        note = f"True classes down, predicted ones across: {of}, and per cent of the true class."
        return [Matrices([_matrix(title, t, labels) for title, t in tables.items()], note)]
    title, last = list(tables.items())[-1]
    named = f"Confusion, {title}" if len(tables) > 1 else "Confusion"
    return [_map(named, last, labels, of), _pairs(tables, labels, of)]


def _matrix(title: str, table: np.ndarray, labels: list[str]) -> Matrix:
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = range(len(labels))
    rows = [[Cell(count(table[i, j]), float(shares[i, j]), i == j) for j in size] for i in size]
    return Matrix(title, labels, rows)


def _map(title: str, table: np.ndarray, labels: list[str], of: str) -> Map:
    """The classes with the most mistakes, those that are taken for each other side by side."""
    mistakes = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diag(table)
    kept = np.sort(np.argsort(-mistakes, kind="stable")[:MAPPED])
    order = kept[neighbours(table[np.ix_(kept, kept)])]
    names, found = [labels[i] for i in order], table[np.ix_(order, order)]
    shares = found / np.maximum(table[order].sum(axis=1, keepdims=True), 1)
    cells = [
        (
            *(int(i), int(j), max(8, round(100 * shares[i, j])), bool(i == j)),
            f"{names[i]} predicted as {names[j]}: {count(found[i, j])}",
        )
        for i, j in np.argwhere(found)
    ]
    which = f"The {MAPPED} of {len(labels)} classes with the most mistakes" * (len(labels) > MAPPED)
    note = (
        f"{which or 'All classes'}, {of}: true classes down, predicted ones across in the same "
        "order; the stronger the colour, the larger the share of the true class. Classes taken for "
        "each other stand together."
    )
    said = [brief(name, LONGEST) for name in names]
    return Map(title, said, cells, note, f"{title}, {of}. Order of similarity: {', '.join(names)}.")


def neighbours(table: np.ndarray) -> np.ndarray:
    """An order of the classes that puts those side by side that are taken for each other.

    `table` counts rows by truth and prediction. Average linkage of the share of rows that two
    classes confuse, its leaves in optimal order (Bar-Joseph, Gifford & Jaakkola 2001).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    apart = 2.0 - shares - shares.T
    np.fill_diagonal(apart, 0.0)
    return leaves_list(linkage(squareform(apart), "average", optimal_ordering=True))


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
