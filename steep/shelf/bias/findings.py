"""What do scores of one or several arms say of each group? Everything, as plain JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steep.metrics.weighted import Support
from steep.shelf.bias.measures import (
    AUCS,
    CALIBRATION,
    FNR,
    FPR,
    NEGATIVE_AEG,
    NINE,
    POSITIVE_AEG,
    SUBGROUP,
    challenge_score,
    power_mean,
)
from steep.shelf.bias.resamples import Draws, Measured, Sample, bands, centred, entry, measured
from steep.wording import some

FEW, SCARCE = 20, 100  # positives, or negatives, of a group: below that nothing, or with a warning
OF_GROUP = (*AUCS, POSITIVE_AEG, NEGATIVE_AEG, FPR, FNR, CALIBRATION)
OF_ALL = (SUBGROUP, FPR, FNR, CALIBRATION)  # of all rows the subgroup AUC is the AUC

Found = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scored:
    """An arm: `scores` by seed, float64 (seeds, n), and what it `decided`, bool (seeds, n)."""

    name: str
    scores: np.ndarray
    decided: np.ndarray


def findings(sample: Sample, arms: Sequence[Scored], draws: Draws) -> Found:
    """{"groups", "arms", "differences", "score_refused"}: all that `steep bias` knows of scores.

    Groups with fewer than `FEW` positives or negatives are counted, and have no metrics. `beside`
    and `rates` are metrics of groups less those of all rows, `changes` the AUCs of a further arm
    less those of the first one: the intervals of each of these lists hold all of it at once.
    """
    groups = [_group(sample, i) for i in range(len(sample.names))]
    kept = [i for i, group in enumerate(groups) if group["status"] in ("enough", "scarce")]
    seen = _Seen(sample.names, kept, sample.supports())
    missing = [name for name in NINE if name not in [sample.names[i] for i in kept]]
    found = measured(sample, [a.scores for a in arms], [a.decided for a in arms], draws)
    refused = f"of its nine groups these are missing, or too few: {some(missing, 9)}"
    return {
        "groups": groups,
        "arms": [
            {"name": arm.name}
            | seen.described(one)
            | {"beside": seen.banded(one.less_all(SUBGROUP), AUCS)}
            | {"rates": [seen.banded(one.less_all(name), (name,)) for name in (FPR, FNR)]}
            | {"score": None if missing else seen.score(one)}
            for arm, one in zip(arms, found, strict=True)
        ],
        "differences": [
            {"arm": arm.name, "against": arms[0].name}
            | {"means": seen.means(one, found[0])}
            | {"changes": seen.banded(one.minus(found[0]), AUCS)}
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


@dataclass(frozen=True)
class _Seen:
    """How metrics are described: the names of the groups, those that count, what all rests on."""

    names: tuple[str, ...]
    kept: list[int]
    supports: dict[str, list[Support]]

    def described(self, one: Measured) -> Found:
        """Every metric of all rows, and of each group that counts; the means over these."""
        return {
            "overall": {name: self._entry(one, name, -1) for name in OF_ALL},
            "by_group": {
                self.names[i]: {name: self._entry(one, name, i) for name in OF_GROUP}
                for i in self.kept
            },
            "means": self.means(one),
        }

    def means(self, one: Measured, other: Measured | None = None) -> Found:
        """The generalised mean of each AUC over the groups, or by how much it is above another's.

        It rests on what its weakest group rests on.
        """
        found = {}
        for name in AUCS if self.kept else ():
            values, drawn = (power_mean(o[name][..., self.kept]) for o in (one.values, one.drawn))
            if other is not None:
                values = values - power_mean(other.values[name][..., self.kept])
                drawn = drawn - power_mean(other.drawn[name][..., self.kept])
            weakest = min((self.supports[name][i] for i in self.kept), key=lambda s: s.units)
            found[name] = entry(values, centred(values, drawn), weakest)
        return found

    def banded(self, one: Measured, metrics: Sequence[str]) -> list[Found]:
        """These metrics of each group that counts, with intervals that hold all of them at once."""
        pairs = [(i, name) for name in metrics for i in self.kept]
        pairs = [(i, name) for i, name in pairs if np.isfinite(one.values[name][:, i]).all()]
        entries = [self._entry(one, name, i) for i, name in pairs]
        drawn = [one.drawn[name][..., i].mean(axis=1) for i, name in pairs]
        return [
            {"group": self.names[i], "metric": name} | found
            for (i, name), found in zip(pairs, bands(entries, drawn), strict=True)
        ]

    def score(self, one: Measured) -> Found:
        """The score of the challenge of 2019, of its nine groups."""
        nine = [self.names.index(name) for name in NINE]
        values, drawn = (
            challenge_score(of[SUBGROUP][..., -1], {name: of[name][..., nine] for name in AUCS})
            for of in (one.values, one.drawn)
        )
        return entry(values, centred(values, drawn), self.supports[SUBGROUP][-1])

    def _entry(self, one: Measured, name: str, i: int) -> Found:
        return entry(one.values[name][:, i], one.drawn[name][..., i], self.supports[name][i])
