"""Will step 2 help? What studies like this one have found, before anything is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from steep.study.evidence import Finding

Answer = Literal["likely", "unlikely", "unknown"]


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


def forecast(labels: int, own_head: bool, evidence: Sequence[Finding]) -> Forecast:
    """What the studies say together that had about as many labels, and such a checkpoint.

    "likely" where the interval of their common gain lies above 0, "unlikely" where it lies below
    `WORTH`, else "unknown"; with fewer than `ENOUGH` studies always "unknown".
    """
    alike = _one_of_each(
        labels,
        [
            study
            for study in evidence
            if study.own_head is own_head and labels / NEAR <= study.labels <= labels * NEAR
        ],
    )
    kind = f"{'with' if own_head else 'without'} a masked-LM head of its own"
    studies = "study" if len(alike) == 1 else "studies"
    those = f"{studies} with {labels / NEAR:,.0f} to {labels * NEAR:,.0f} labels and a checkpoint"
    if len(alike) < ENOUGH:
        return Forecast("unknown", f"the records hold {len(alike)} {those} {kind}: too few")
    gain, low, high = together(alike)
    found = f"{gain:+.1f} points ({low:+.1f} to {high:+.1f}) in the {len(alike)} {those} {kind}"
    if low > 0:
        return Forecast("likely", found)
    return Forecast("unlikely" if high < WORTH else "unknown", found)


def _one_of_each(labels: int, findings: Sequence[Finding]) -> list[Finding]:
    """Of each study the finding with the most alike number of labels.

    Those of several budgets share step 2 and test rows: they say the same thing several times.
    """
    order = sorted(findings, key=lambda one: abs(np.log(one.labels / labels)), reverse=True)
    return list({one.name: one for one in order}.values())


def together(studies: Sequence[Finding]) -> tuple[float, float, float]:
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
