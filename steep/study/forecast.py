"""Will step 2 pay? What studies like this one have found, before anything is spent."""

from dataclasses import dataclass
from typing import Literal

Answer = Literal["likely", "unlikely", "unknown"]


@dataclass(frozen=True)
class Study:
    """A study of docs/results.md at one label budget.

    `own_head`: whether its checkpoint came with a masked-LM head; `tokens` are what step 2 read.
    """

    name: str
    labels: int
    tokens: float
    own_head: bool
    paid: bool


EVIDENCE = (
    Study("IMDb", 100, 0.7e6, own_head=False, paid=True),
    Study("IMDb", 500, 0.7e6, own_head=False, paid=False),
    Study("film reviews", 300, 0.9e6, own_head=False, paid=False),
    Study("TREC", 500, 0.6e6, own_head=False, paid=False),
    Study("Jigsaw", 600, 0.6e6, own_head=False, paid=False),
)
NEAR = 2.0  # a study is like yours if its labels are within this factor of yours
ENOUGH = 2  # studies below which nothing is said


@dataclass(frozen=True)
class Forecast:
    """The answer, and what it rests on, in words."""

    answer: Answer
    why: str

    def __str__(self) -> str:
        return f"whether step 2 will pay is {self.answer}: {self.why}"


def forecast(labels: int, own_head: bool, evidence: tuple[Study, ...] = EVIDENCE) -> Forecast:
    """What the studies say that had about as many labels, and such a checkpoint.

    "likely" where more than half of at least two paid, "unlikely" where none did, else "unknown".
    """
    kind = "with a masked-LM head of its own" if own_head else "without one of its own"
    alike = [
        study
        for study in evidence
        if study.own_head is own_head and labels / NEAR <= study.labels <= labels * NEAR
    ]
    paid = sum(study.paid for study in alike)
    found = f"it paid in {paid} of the {len(alike)} studies in Steep's records that had "
    found += f"{labels / NEAR:,.0f} to {labels * NEAR:,.0f} labels and a checkpoint {kind}"
    if len(alike) < ENOUGH:
        return Forecast("unknown", f"{found}: too few to tell")
    if 2 * paid > len(alike):
        return Forecast("likely", found)
    return Forecast("unknown" if paid else "unlikely", found)
