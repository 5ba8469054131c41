"""What weakens the answer of a study? Few seeds, rows, groups or positives; a close call."""

from typing import Any

from steep.metrics.weighted import FEW_GROUPS, GROUPS, ROWS, Support

FEW_SEEDS, FEW_ROWS, FEW_POSITIVES = 5, 100, 50
WORST_COVERAGE = {2: "90 %", 3: "92 %", 4: "93 %"}  # simulated: docs/statistics.md


def weakened_by(comparison: dict[str, Any] | None, rests_on: Support) -> list[str]:
    """What weakens the answer."""
    found = []
    pairs = len(comparison["seeds"]) if comparison else 0
    if 1 < pairs < FEW_SEEDS:
        found.append(
            f"Only {pairs} seeds: small gains go unseen, and the 95 % interval may in fact contain "
            f"the true gain in as few as {WORST_COVERAGE[pairs]} of studies. Use {FEW_SEEDS} or "
            "more."
        )
    if (few := few_units(rests_on)) is not None:
        found.append(few)
    if comparison and comparison["low"] is not None:
        t, check = (comparison[end] > 0 for end in ("low", "bootstrap_low"))
        if t and not check:
            found.append(
                "The bootstrap over seeds and rows does not confirm the gain: it is a close call."
            )
    return found


def few_units(rests_on: Support) -> str | None:
    """A sentence where the metric rests on few rows, groups or positives; None where on enough."""
    units = max(1, round(rests_on.units))
    if rests_on.what == ROWS:
        if units >= FEW_ROWS:
            return None
        return f"Only {units} test rows: intervals from so few are rough, and may be misleading."
    if units >= (FEW_GROUPS if rests_on.what == GROUPS else FEW_POSITIVES):
        return None
    counts = " that count as many of equal size" if rests_on.what == GROUPS else ""
    return (
        f"This metric rests on only {units} {rests_on.what}{counts} in the test, however many rows "
        "there are: the interval is widened for that, but remains rough. Test on more of them."
    )
