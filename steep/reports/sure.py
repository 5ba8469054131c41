"""How sure is the answer, and what would make it surer? A study's planning numbers, in words."""

from typing import Any

from steep.reports.blocks import Facts, Section
from steep.reports.words import counted, number, plain


def sections(verdict: dict[str, Any]) -> list[Section]:
    """The section on adapted against base; none as long as there is no interval."""
    comparisons = verdict.get("comparisons", [])
    main = next((c for c in comparisons if (c["arm"], c["against"]) == ("adapted", "base")), None)
    if main is None or main.get("low") is None:
        return []
    metric, smallest = plain(verdict["metric"]), verdict.get("smallest_effect") or 0.0
    aim = f"above {number(smallest)}" if smallest else "of any size"
    facts = [
        (f"Probability that step 2 brings a gain {aim}", _percent(main.get("probability"))),
        (
            f"Smallest gain in {metric} that a study of this size finds in 8 of 10 cases",
            number(main.get("minimum_detectable")),
        ),
        ("Further seeds needed to find the gain seen here as surely", _more(main)),
        ("What most of the doubt comes from", _doubt(main)),
    ]
    lead = (
        "The probability is what one would bet on; the answer above is what one may claim. Plan "
        "a new study by these numbers: adding seeds until the answer pleases makes it wrong "
        "more often."
    )
    return [Section("How sure is it?", [Facts(facts)], lead)]


def _percent(share: float | None) -> str:
    """A probability in per cent, never as certain."""
    if share is None:
        return "unknown"
    return f"{min(99.9, max(0.1, 100 * share)):.3g} %"


def _more(found: dict[str, Any]) -> str:
    needed, seeds = found.get("seeds_needed"), len(found.get("differences") or [])
    if needed is None:
        few_rows = found.get("bottleneck") == "rows"
        return "no number would do: more test rows" if few_rows else "hundreds"
    return "none" if needed <= seeds else f"{needed - seeds:,} (to {counted(needed, 'seed')})"


def _doubt(found: dict[str, Any]) -> str:
    """The larger of the two standard errors."""
    seeds, rows = found.get("se_seeds"), found.get("se_rows")
    if seeds is None or rows is None:
        return "unknown"
    larger, what = max((seeds, "the seeds"), (rows, "the choice of test rows"))
    return f"{what} (standard errors: seeds {number(seeds)}, rows {number(rows)})"
