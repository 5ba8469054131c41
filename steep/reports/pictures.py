"""What does a classifier do on held-out rows, in pictures? Its classes, and its probabilities.

Which classes are taken for which: a matrix of few; of many a map, and the worst pairs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steep.reports import charts
from steep.reports.blocks import Block, Cell, Curve, Dots, Map, Matrices, Matrix, Panels, Section
from steep.reports.mistakes import true_labels
from steep.run_tables import Summary, Table
from steep.wording import brief, count, counted, number

EITHER = 15  # of the best and of the worst classes
FEWEST = 5  # probabilities in a bin below which its share is left to chance
MULTIPLES = 6  # labels with a drawing of their own
POINTS = 60  # of a curve
SHARE = "share that is true"
FULL = 8  # a larger matrix does not fit beside another one, nor on a phone
MAPPED = 30  # classes of a map
LONGEST = 22  # letters of a class beside it
PAIRS = 15


def class_bars(summary: Summary, part: str) -> Dots | None:
    """The F1 of each class, sorted; None for fewer than three."""
    found = {c["label"]: c["f1"] for c in summary.get("per_class") or [] if c.get("f1") is not None}
    ranked = sorted(found.items(), key=lambda one: -one[1])
    if len(ranked) < 3:
        return None
    shown, note = ranked, ""
    if len(ranked) > 2 * EITHER:
        shown = ranked[:EITHER] + ranked[-EITHER:]
        note = f"The {EITHER} best and the {EITHER} worst of {len(ranked):,} classes."
    return charts.bars(f"F1 by class, {part} rows", "F1", dict(shown), note)


def probabilities_section(
    summary: Summary,
    table: pd.DataFrame | None,
    task: dict[str, Any],
    decisions: Mapping[str, Any] | None,
) -> Section | None:
    """Reliability, and precision against recall; None without probabilities.

    `table` holds predictions as `RunFolder` has them; `decisions` those of results.json.
    """
    thresholds = (decisions or {}).get("thresholds") or {}
    drawn = [_reliability(summary), _trade_offs(table, task, thresholds)]
    panels = [panel for one in drawn if one for panel in one.panels]
    if not panels:
        return None
    lead = ""
    if drawn[0]:
        lead = (
            f"Reliability (calibration error {number(summary['calibration']['ece'])}): of all "
            "predictions with such a probability, the share that is true. "
        )
    if drawn[1]:
        lead += "Precision and recall: as the threshold falls; the dot is the threshold in use."
    if len(task["labels"]) > MULTIPLES and drawn[1]:
        lead += f" Shown are the {MULTIPLES} most frequent of {len(task['labels'])} labels."
    return Section("Probabilities", [Panels(panels)], lead.strip())


def lengths_section(results: Mapping[str, Any]) -> Section | None:
    """How long the training texts are, against where they are cut; None where none is cut."""
    found = results.get("lengths")
    lengths = found["percentiles"] if found else []
    if not found or not lengths or max(lengths) <= found["cut"]:
        return None
    shares = np.linspace(0, 1, len(lengths)).tolist()
    curves = [
        Curve("cut", "dashed", [(0.0, float(found["cut"])), (1.0, float(found["cut"]))]),
        charts.curve("texts", "accent", shares, lengths),
    ]
    drawn = charts.panels({"": curves}, "share of the training texts, shortest first", "tokens")
    lead = f"What lies above the dashed line, {found['cut']:,} tokens (--max-length), is cut off."
    return Section("Lengths", [drawn], lead) if drawn else None


def _reliability(summary: Summary) -> Panels | None:
    """What is promised against what is true, in bins; beside it, what perfect would be."""
    found = summary.get("calibration")
    bins = [one for one in found["reliability"] if one["cells"] >= FEWEST] if found else []
    if not found or not bins:
        return None
    curves = [
        Curve("perfect", "dashed", [(0.0, 0.0), (1.0, 1.0)]),
        Curve("model", "accent", [(one["promised"], one["true"]) for one in bins]),
    ]
    return charts.panels({"Reliability": curves}, "probability", SHARE)


def _trade_offs(
    table: pd.DataFrame | None, task: dict[str, Any], thresholds: Mapping[str, float]
) -> Panels | None:
    """Precision by recall of each label, or of the second of two classes, with its threshold."""
    kind, labels = task["kind"], task["labels"]
    columns = [f"p_{label}" for label in labels]
    decided = kind == "multi" or (kind == "single" and len(labels) == 2)
    if not decided or table is None or table.empty or not set(columns) <= set(table):
        return None
    truth = true_labels(table["truth"], task)
    chosen = np.argsort(-truth.sum(axis=0), kind="stable")[:MULTIPLES]
    if kind == "single":
        chosen = np.array([1])
    curves = {
        brief(labels[i], 30): _trade_off(
            truth[:, i], table[columns[i]].to_numpy(float), thresholds.get(labels[i], 0.5)
        )
        for i in chosen
        if truth[:, i].any()
    }
    return charts.panels(curves, "recall", "precision")


def _trade_off(truth: np.ndarray, scores: np.ndarray, threshold: float) -> list[Curve]:
    """The curve, and the point of the threshold; `truth` bool (rows,), `scores` float (rows,)."""
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(truth[order]), scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))  # equal scores go together
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, POINTS).round().astype(int))]
    precision, recall = hits[ends] / (ends + 1), hits[ends] / truth.sum()
    curves = [charts.curve("model", "accent", recall, precision)]
    claimed = scores >= threshold
    if claimed.any():
        right = (truth & claimed).sum()
        at = (float(right / truth.sum()), float(right / claimed.sum()))
        curves.append(Curve("threshold", "plain", [at], label=number(threshold, 2)))
    return curves


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
    apart = 2.0 - (shares + shares.T)  # symmetric to the last bit, which scipy insists on
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
