"""What do scores of one or several arms say of each group, and how certain is it? As plain JSON.

The worst of many groups is low by luck alone. Its interval comes from bands that hold all groups at
once: as wide as the largest deviation of any group, in its own standard errors, over the resamples
(the maximum that Romano & Wolf 2005 test by, "Exact and approximate stepdown methods for multiple
hypothesis testing"). The worst true value lies between the lowest lower and the lowest upper end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steep.metrics.scores import percentiles
from steep.metrics.weighted import Draws, Support, mean
from steep.seeds import numbers
from steep.shelf.bias.measures import (
    AUCS,
    CALIBRATION,
    NEGATIVE_AEG,
    OF_ALL,
    OF_GROUP,
    POSITIVE_AEG,
    SUBGROUP,
    Cells,
    Sample,
    challenge_score,
    measured,
    power_mean,
)
from steep.study.paired import paired_gain
from steep.wording import some

FEW, SCARCE = 20, 100  # positives, or negatives, of a group: below that nothing, or with a warning
NORMAL = 1.959964  # standard errors between a value and the end of its 95 % interval
NINE = (  # of which the score of the challenge of 2019 is made
    *("male", "female", "homosexual_gay_or_lesbian", "christian", "jewish", "muslim", "black"),
    *("white", "psychiatric_or_mental_illness"),
)
# What a metric can be, where that is not from 0 to 1.
RANGES = {POSITIVE_AEG: (-0.5, 0.5), NEGATIVE_AEG: (-0.5, 0.5), CALIBRATION: (-1.0, 1.0)}
Found = dict[str, Any]
Entry = dict[str, Any]  # value, low, high


@dataclass(frozen=True, eq=False)
class Scored:
    """An arm: `scores` by seed, float64 (seeds, n), and what it `decided`, bool (seeds, n)."""

    name: str
    scores: np.ndarray
    decided: np.ndarray


def findings(sample: Sample, arms: Sequence[Scored], draws: Draws) -> Found:
    """{"groups", "arms", "differences", "score_refused"}: all that `steep bias` knows of scores.

    Groups with fewer than `FEW` positives or negatives are counted, and have no metrics. `beside`
    are the AUCs of groups less that of all rows, `changes` those of a further arm less those of the
    first one: the intervals of such a list hold all of it at once.
    """
    groups = [_group(sample, i) for i in range(len(sample.names))]
    seen = _Seen(
        sample, [i for i, one in enumerate(groups) if one["status"] in ("enough", "scarce")]
    )
    missing = [name for name in NINE if name not in [sample.names[i] for i in seen.kept]]
    found = measured(sample, [(arm.scores, arm.decided) for arm in arms], draws)
    refused = f"of its nine groups these are missing, or too few: {some(missing, 9)}"
    return {
        "groups": groups,
        "arms": [
            {"name": arm.name}
            | seen.described(one)
            | {"beside": seen.banded({n: one[n] - one[SUBGROUP][..., -1:] for n in AUCS})}
            | {"score": None if missing else seen.score(one)}
            for arm, one in zip(arms, found, strict=True)
        ],
        "differences": [
            {"arm": arm.name, "against": arms[0].name}
            | {"means": seen.means(one, found[0])}
            | {"changes": seen.banded({n: one[n] - found[0][n] for n in AUCS})}
            for arm, one in zip(arms[1:], found[1:], strict=True)
        ],
        "score_refused": refused if missing else None,
    }


def _group(sample: Sample, i: int) -> Found:
    inside = sample.groups[:, i]
    positives, rows = int((inside & sample.truth).sum()), int(inside.sum())
    least = min(positives, rows - positives)
    status = "enough" if least >= SCARCE else "scarce" if least >= FEW else "few"
    counts = {"rows": rows, "positives": positives, "negatives": rows - positives}
    return {"name": sample.names[i]} | counts | {"status": status if least else "none"}


class _Seen:
    """How metrics are described: of which groups (`kept`), and on what they rest."""

    def __init__(self, sample: Sample, kept: list[int]) -> None:
        self.names, self.kept, self.supports = sample.names, kept, sample.supports()

    def described(self, cells: Cells) -> Found:
        """Every metric of all rows, and of each group that counts; the means over these."""
        return {
            "overall": {name: within(self._entry(cells, name, -1), name) for name in OF_ALL},
            "by_group": {
                self.names[i]: {
                    name: within(self._entry(cells, name, i), name) for name in OF_GROUP
                }
                for i in self.kept
            },
            "means": self.means(cells),
        }

    def means(self, cells: Cells, other: Cells | None = None) -> Found:
        """The generalised mean of each AUC over the groups, or by how much it is above another's.

        It rests on what its weakest group rests on.
        """
        found = {}
        for name in AUCS if self.kept else ():
            own = power_mean(cells[name][..., self.kept])
            own = own if other is None else own - power_mean(other[name][..., self.kept])
            weakest = min((self.supports[name][i] for i in self.kept), key=lambda s: s.units)
            one = entry(centred(own), weakest)
            found[name] = within(one, name) if other is None else one
        return found

    def banded(self, cells: Cells) -> list[Found]:
        """The AUCs of each group that counts, with intervals that hold all of them at once."""
        pairs = [(i, name) for name in AUCS for i in self.kept]
        pairs = [(i, name) for i, name in pairs if np.isfinite(cells[name][0, :, i]).all()]
        entries = [self._entry(cells, name, i) for i, name in pairs]
        drawn = [cells[name][1:, :, i].mean(axis=1) for i, name in pairs]
        return [
            {"group": self.names[i], "metric": name} | found
            for (i, name), found in zip(pairs, bands(entries, drawn), strict=True)
        ]

    def score(self, cells: Cells) -> Found:
        """The score of the challenge of 2019, of its nine groups."""
        nine = [self.names.index(name) for name in NINE]
        own = challenge_score(cells[SUBGROUP][..., -1], [cells[n][..., nine] for n in AUCS])
        return within(entry(centred(own), self.supports[SUBGROUP][-1]), SUBGROUP)

    def _entry(self, cells: Cells, name: str, i: int) -> Found:
        return entry(cells[name][..., i], self.supports[name][i])


def entry(cells: np.ndarray, rests_on: Support) -> Entry:
    """{"value", "low", "high"}: the mean over seeds and its 95 % interval.

    cells: (1 + resamples, seeds), the first on the rows as they are. Of one seed the interval is
    that of the rows, of several that of `steep.study.paired`. None where it cannot be known:
    resamples that are all alike, one cluster.
    """
    values, drawn = cells[0], cells[1:]
    if not np.isfinite(values).all():
        return {"value": None, "low": None, "high": None}
    found: Entry = {"value": float(values.mean()), "low": None, "high": None}
    kept = drawn[np.isfinite(drawn).all(axis=1)]
    if len(kept) < 2 or rests_on.df <= 0 or np.ptp(kept.mean(axis=1)) == 0:
        return found
    if len(values) > 1:
        gain = paired_gain(values, kept, rests_on, 0.0, numbers(0, "bias", "seeds"))
        return found | {"low": gain["low"], "high": gain["high"]}
    low, high = percentiles(kept[:, 0], rests_on.level())
    return found | {"low": low, "high": high}


def within(found: Entry, name: str) -> Entry:
    """The interval as far as the metric goes: that of several seeds is symmetric, and may leave."""
    if found["low"] is None:
        return found
    least, most = RANGES.get(name, (0.0, 1.0))
    return found | {"low": max(least, found["low"]), "high": min(most, found["high"])}


def mean_entry(values: np.ndarray, clusters: np.ndarray | None, draws: Draws) -> Entry:
    """The mean of `values` (n,) with its bootstrap interval, by rows or by clusters."""
    if np.ptp(values) == 0:
        return {"value": float(values.mean()), "low": None, "high": None}
    groups = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    units = len(values) if groups is None else int(groups.max()) + 1
    by = Draws(draws.resamples, draws.seed, groups)
    drawn = [mean(values)(weights)[:, None] for weights in by.weights(len(values), "swaps")]
    return entry(np.concatenate([values.mean()[None, None], *drawn]), Support.of_rows(units))


def centred(cells: np.ndarray) -> np.ndarray:
    """Cells, float64 (1 + resamples, seeds), whose resamples have the values as their means.

    A generalised mean is lower in resamples than it is, since it leans to the worst: plain
    percentiles of that of eight groups hold it in 76 to 93 of 100 samples, these in 93 to 95.
    """
    return np.concatenate([cells[:1], cells[1:] + cells[0] - np.nanmean(cells[1:], axis=0)])


def bands(entries: Sequence[Entry], drawn: Sequence[np.ndarray]) -> list[Entry]:
    """The entries with intervals that hold all of their values at once, in 95 of 100 samples.

    drawn: of each entry its mean over seeds, float64 (resamples,).
    """
    known = [i for i, one in enumerate(entries) if one["low"] is not None]
    if not known:
        return list(entries)
    cells = np.stack([drawn[i] for i in known], axis=1)
    cells = cells[np.isfinite(cells).all(axis=1)]
    far = np.abs(cells - cells.mean(axis=0)) / cells.std(axis=0)
    wider = max(1.0, float(np.quantile(far.max(axis=1), 0.95)) / NORMAL)
    found = list(entries)
    for i in known:
        value, low, high = (entries[i][key] for key in ("value", "low", "high"))
        ends = {"low": value - wider * (value - low), "high": value + wider * (high - value)}
        found[i] = {"value": value} | ends
    return found


def lowest(banded: Sequence[Entry]) -> Entry:
    """The lowest of what `bands` gave, with the interval of the lowest true value."""
    known = [one for one in banded if one["low"] is not None]
    ends = {end: min((one[end] for one in known), default=None) for end in ("low", "high")}
    return min(banded, key=lambda one: one["value"]) | ends
