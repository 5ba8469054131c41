"""How certain is the answer, and what would make it more so? A study's planning numbers."""

from typing import Any

from steep.reports.blocks import Facts, Section
from steep.wording import counted, number, plain

LEAD = (
    "The probability is what to bet on; the answer above is what can be claimed. Plan a new study "
    "by these numbers. Adding seeds to this one until the answer suits you makes wrong answers "
    "more likely."
)


def certainty_section(verdict: dict[str, Any]) -> Section | None:
    """The section on adapted against base; none as long as there is no interval."""
    comparisons = verdict.get("comparisons", [])
    main = next((c for c in comparisons if (c["arm"], c["against"]) == ("adapted", "base")), None)
    if main is None or main.get("low") is None:
        return None
    metric, smallest = plain(verdict["metric"]), verdict.get("smallest_effect") or 0.0
    aim = f"a gain above {number(smallest)}" if smallest else "any gain"
    facts = [
        (f"Probability that step 2 brings {aim}", _percent(main.get("probability"))),
        (
            f"Smallest gain in {metric} that 8 of 10 studies of this size detect",
            number(main.get("minimum_detectable")),
        ),
        ("Further seeds needed to detect the observed gain as reliably", _more(main)),
        ("Main source of uncertainty", _source(main)),
    ]
    return Section("How certain is it?", [Facts(facts)], LEAD)


def _percent(share: float | None) -> str:
    """A probability in per cent, never as certain."""
    if share is None:
        return "unknown"
    return f"{min(99.9, max(0.1, 100 * share)):.3g} %"


def _more(found: dict[str, Any]) -> str:
    needed, seeds = found.get("seeds_needed"), len(found.get("differences") or [])
    if needed is None:
        few_rows = found.get("bottleneck") == "rows"
        return "no number is enough: more test rows are needed" if few_rows else "hundreds"
    return "none" if needed <= seeds else f"{needed - seeds:,} ({counted(needed, 'seed')} in all)"


def _source(found: dict[str, Any]) -> str:
    """The larger of the two standard errors."""
    seeds, rows = found.get("se_seeds"), found.get("se_rows")
    if seeds is None or rows is None:
        return "unknown"
    larger, what = max((seeds, "the seeds"), (rows, "the choice of test rows"))
    return f"{what} (standard errors: seeds {number(seeds)}, rows {number(rows)})"
