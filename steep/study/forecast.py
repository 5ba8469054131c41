"""Will step 2 help? What studies like this one have found, before anything is spent."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Answer = Literal["likely", "unlikely", "unknown"]


@dataclass(frozen=True)
class Study:
    """A study of docs/results.md at one label budget.

    `own_head`: whether its checkpoint came with a masked-LM head. The gain of step 2, and the ends
    of its 95 % interval, are in points: hundredths of accuracy or AUC.
    """

    name: str
    labels: int
    own_head: bool
    gain: float
    low: float
    high: float


EVIDENCE = (  # of the two lengths of step 2 on the film reviews, the longer: they share an arm
    Study("IMDb, 64 tokens", 100, False, 3.2, 0.2, 6.1),
    Study("IMDb, 64 tokens", 500, False, 0.2, -0.8, 1.3),
    Study("IMDb, 128 tokens", 100, False, -1.5, -12.4, 9.5),
    Study("IMDb, 128 tokens", 500, False, 0.2, -1.5, 1.8),
    Study("AG News", 500, False, -0.4, -1.0, 0.2),
    Study("film reviews, half a pass", 300, False, -1.3, -2.7, 0.2),
    Study("TREC", 500, False, 1.5, -0.6, 3.7),
    Study("Jigsaw", 600, False, 0.1, -2.0, 2.1),
)
NEAR = 2.0  # a study is like yours if its labels are within this factor of yours
ENOUGH = 3  # studies below which nothing is said
WORTH = 1.0  # points: the least of the 1 to 2 that ULMFiT's ablations ascribe to step 2


@dataclass(frozen=True)
class Forecast:
    """The answer, and what it rests on, in words."""

    answer: Answer
    why: str

    def __str__(self) -> str:
        if self.answer == "unknown":
            return f"whether step 2 will help is unknown: {self.why}"
        return f"step 2 is {self.answer} to help: {self.why}"


def forecast(labels: int, own_head: bool, evidence: tuple[Study, ...] = EVIDENCE) -> Forecast:
    """What the studies say together that had about as many labels, and such a checkpoint.

    "likely" where the interval of their common gain lies above 0, "unlikely" where it lies below
    `WORTH`, else "unknown"; with fewer than `ENOUGH` studies always "unknown".
    """
    alike = [
        study
        for study in evidence
        if study.own_head is own_head and labels / NEAR <= study.labels <= labels * NEAR
    ]
    kind = f"{'with' if own_head else 'without'} a masked-LM head of its own"
    those = f"studies with {labels / NEAR:,.0f} to {labels * NEAR:,.0f} labels and a checkpoint"
    if len(alike) < ENOUGH:
        return Forecast("unknown", f"Steep's records hold {len(alike)} {those} {kind}: too few")
    gain, low, high = together(alike)
    found = f"{gain:+.1f} points ({low:+.1f} to {high:+.1f}) in the {len(alike)} {those} {kind}"
    if low > 0:
        return Forecast("likely", found)
    return Forecast("unlikely" if high < WORTH else "unknown", found)


def together(studies: list[Study]) -> tuple[float, float, float]:
    """The common gain of studies and its 95 % interval, in points.

    Each counts by the inverse of its variance, to which that between studies is added
    (DerSimonian & Laird 1986, a random-effects model). The interval is that of Hartung & Knapp
    2001, with a t distribution, as few studies hardly say how much they differ; never narrower than
    their variances alone make it (Roever, Knapp & Friede 2015).
    """
    gains = np.array([study.gain for study in studies])
    within = np.array([(study.high - study.low) / 2 / 1.96 for study in studies]) ** 2
    weights, free = 1 / within, len(studies) - 1
    spread = np.sum(weights * (gains - np.average(gains, weights=weights)) ** 2)
    scale = weights.sum() - np.sum(weights**2) / weights.sum()
    between = max(0.0, (spread - free) / scale) if scale > 0 else 0.0
    weights = 1 / (within + between)
    mean = np.average(gains, weights=weights)
    apart = max(1.0, float(np.sum(weights * (gains - mean) ** 2)) / free)
    half = stats.t.ppf(0.975, free) * np.sqrt(apart / weights.sum())
    return float(mean), float(mean - half), float(mean + half)
