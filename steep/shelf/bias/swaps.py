"""How much does a score change when a text mentions another group? Terms swapped for each other.

Garg, Perot, Limtiaco, Taly, Chi & Beutel 2019, "Counterfactual fairness in text classification
through robustness" (AIES), section 4: the gap of a text is the mean of |f(x) - f(x')| over its
swaps x'. Some swaps make no sense (a term that is an insult by itself); so texts that mention
several groups, or a word of [skip], are left out, and harmful texts are shown apart: of these equal
scores are not asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steep.metrics.scores import percentiles
from steep.metrics.weighted import Draws, Support, mean
from steep.shelf.bias.resamples import Sample
from steep.shelf.bias.terms import Terms, pattern_of

KINDS = ("harmless", "harmful")
Predict = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]
"""Texts -> scores, float64 (n,), and what is decided, bool (n,)."""


@dataclass(frozen=True)
class Swaps:
    """Swapped `texts`; of each the row that it was made of, int64 (m,), and (axis, from, to).

    `skipped` counts the rows that mention a group of an axis, and are not swapped.
    """

    texts: list[str]
    rows: np.ndarray
    ways: list[tuple[str, str, str]]
    skipped: int


def swapped(texts: Sequence[str], terms: Terms) -> Swaps:
    """The texts that mention one group of one axis, with each other group in its place."""
    patterns = {
        (axis, group): pattern_of(forms)
        for axis, groups in terms.axes.items()
        for group, forms in groups.items()
    }
    never = pattern_of(terms.skip) if terms.skip else None
    made, rows, ways, skipped = [], [], [], 0
    for row, text in enumerate(texts):
        found = [place for place, pattern in patterns.items() if pattern.search(text)]
        if len(found) != 1 or (never is not None and never.search(text)):
            skipped += bool(found)
            continue
        axis, group = found[0]
        for other in (name for name in terms.axes[axis] if name != group):
            forms = zip(terms.axes[axis][group], terms.axes[axis][other], strict=True)
            made.append(exchanged(text, patterns[axis, group], [*forms]))
            rows.append(row)
            ways.append((axis, group, other))
    return Swaps(made, np.array(rows, np.int64), ways, skipped)


def exchanged(text: str, pattern: Any, forms: Sequence[tuple[str, str]]) -> str:
    """The text with the second of `forms` where the first one stands; its case stays."""
    others: dict[str, str] = {}
    for form, other in forms:
        others.setdefault(form.casefold(), other)

    def other_of(found: Any) -> str:
        word, other = found[0], others[found[0].casefold()]
        if word.isupper() and len(word) > 1:
            return other.upper()
        return other[:1].upper() + other[1:] if word[:1].isupper() else other

    return pattern.sub(other_of, text)


def swap_findings(
    swaps: Swaps,
    sample: Sample,
    own: tuple[np.ndarray, np.ndarray],
    predict: Predict,
    draws: Draws,
) -> dict[str, Any]:
    """{"rows", "swaps", "skipped", "by_label", "ways"}: changes of the score, as plain JSON.

    own: scores (n,) and decisions (n,) of the rows as they are.
    """
    scores, decided = predict(swaps.texts)
    change = scores - own[0][swaps.rows]
    rows, place, times = np.unique(swaps.rows, return_inverse=True, return_counts=True)
    gaps = np.bincount(place, np.abs(change)) / times
    flips = np.bincount(place, decided != own[1][swaps.rows]) / times

    def of(values: np.ndarray, at: np.ndarray) -> dict[str, Any]:
        return mean_entry(values, None if sample.clusters is None else sample.clusters[at], draws)

    by_label = {}
    for kind, name in enumerate(KINDS):
        some = sample.truth[rows] == bool(kind)
        if some.any():
            found = {"gap": of(gaps[some], rows[some]), "flips": of(flips[some], rows[some])}
            by_label[name] = {"rows": int(some.sum())} | found
    ways = []
    for axis, group, other in sorted({*swaps.ways}):
        mine = np.array([way == (axis, group, other) for way in swaps.ways])
        harmless = mine & ~sample.truth[swaps.rows]
        if harmless.any():
            shift = of(change[harmless], swaps.rows[harmless])
            way = {"axis": axis, "from": group, "to": other, "rows": int(harmless.sum())}
            ways.append(way | {"shift": shift})
    counts = {"rows": len(rows), "swaps": len(swaps.texts), "skipped": swaps.skipped}
    return counts | {"by_label": by_label, "ways": ways}


def mean_entry(values: np.ndarray, clusters: np.ndarray | None, draws: Draws) -> dict[str, Any]:
    """The mean of `values` (n,) with its bootstrap interval, by rows or by clusters."""
    groups = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    units = len(values) if groups is None else int(groups.max()) + 1
    found: dict[str, Any] = {"value": float(values.mean()), "low": None, "high": None}
    if units < 2 or np.ptp(values) == 0:
        return found
    by = Draws(draws.resamples, draws.seed, groups)
    drawn = np.concatenate([mean(values)(weights) for weights in by.weights(len(values), "swaps")])
    low, high = percentiles(drawn, Support.of_rows(units).level())
    return found | {"low": low, "high": high}
