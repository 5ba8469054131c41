"""What does a classifier do on held-out rows, in pictures? Its classes, and its probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steep.reports import charts
from steep.reports.blocks import Curve, Dots, Panels, Section
from steep.reports.mistakes import true_labels
from steep.run_tables import Summary
from steep.wording import brief, number

EITHER = 15  # of the best and of the worst classes
FEWEST = 5  # probabilities in a bin below which its share is left to chance
MULTIPLES = 6  # labels with a drawing of their own
POINTS = 60  # of a curve
SHARE = "share that is true"


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
