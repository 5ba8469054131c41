"""Which answers still hold when several were looked for? Holm's correction, family by family.

The headline is adapted against base with the most labels: declared before anything is known, it
stands as it is. The same question at the other label budgets may answer "yes" or "no" only if
that holds after Holm's correction for all budgets, the headline's among them; what does not is
kept as a hint. A false "yes" at any budget is then at most as frequent as 2.5 % for the headline
and 2.5 % for the others together (simulated: benchmarks/verdicts.py). All comparisons of other
arms are the second family; no answer depends on them.
"""

from typing import Any

from steep.study.paired import CONFIDENCE

UNSURE = "cannot tell"


def correct_for_budgets(budgets: list[dict[str, Any]]) -> None:
    """Fills in `p_holm` of all comparisons, and withdraws the answers that do not hold.

    `budgets` are the parts of a verdict, from few labels to many; the last is the headline's. An
    answer that was withdrawn is the part's `hint` (None elsewhere).
    """
    everything = [comparison for part in budgets for comparison in part["comparisons"]]
    _correct([comparison for comparison in everything if not comparison["main"]], "p_value")
    mains = [comparison for comparison in everything if comparison["main"]]
    _correct(mains, "p_smallest")
    for part in budgets:
        part["hint"] = None
    for comparison in budgets[-1]["comparisons"]:
        if comparison["main"]:
            comparison["p_holm"] = None
    for part in budgets[:-1]:
        main = next((c for c in part["comparisons"] if c["main"]), None)
        if part["answer"] != UNSURE and main and main["p_holm"] > 1 - CONFIDENCE:
            part["hint"], part["answer"] = part["answer"], UNSURE


def _correct(family: list[dict[str, Any]], name: str) -> None:
    corrected = holm([comparison[name] for comparison in family])
    for comparison, p in zip(family, corrected, strict=True):
        comparison["p_holm"] = p


def holm(p_values: list[float | None]) -> list[float | None]:
    """p values corrected for their number; None stays None, and is not counted.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected
