"""What did the arms of a study reach, and what did each gain over the other? Two tables."""

from typing import Any

import numpy as np

from steep.reports import charts
from steep.reports.folder import StudyFolder
from steep.run_tables import Table
from steep.wording import NOTHING, chance, count, number, plain, span

STRONG = "adapted"
GAINS = (
    "A positive gain is the better result. The interval covers seeds and test rows; the bootstrap, "
    "over both, is a check on it. Only the first row decides; the p-values of the others are "
    "corrected for their number by Holm's method. Detectable: the gain that 8 of 10 studies with "
    "as many seeds and rows detect. Seeds needed: to detect the observed gain as reliably."
)


def results_by_arm(study: StudyFolder, metric: str, values: dict[str, charts.Seeds]) -> Table:
    """Mean, spread and interval of every arm, and the means of its other metrics."""
    others = [name for name in _metrics(study) if plain(name) != metric]
    rows = []
    for arm, seeds in values.items():
        found = list(seeds.values())
        spread = float(np.std(found, ddof=1)) if len(found) > 1 else None
        low, high = charts.t_interval(found) or (None, None)
        cells = [cell.facts.get("test") or {} for cell in study.of(arm)]
        more = [_mean([cell.get(name) for cell in cells]) for name in others]
        mean = number(float(np.mean(found)))
        rows.append((arm, mean, number(spread), span(low, high), count(len(found)), *more))
    return Table(
        caption="Results on test rows",
        columns=("arm", metric, "sd", "95 % interval", "seeds", *map(plain, others)),
        align="lrrrr" + "r" * len(others),
        rows=rows,
        note="Mean, standard deviation and t interval over seeds, for these rows.",
        strong=STRONG,
    )


def _metrics(study: StudyFolder) -> list[str]:
    return list(dict.fromkeys(n for cell in study.cells for n in cell.facts.get("test") or {}))


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return number(float(np.mean(known))) if known else NOTHING


def gains_table(comparisons: list[dict[str, Any]]) -> Table:
    """Every comparison of two arms, with its interval and its test."""
    rows = [
        (
            f"{found['arm']} over {found['against']}",
            number(found.get("gain"), sign=True),
            span(found.get("low"), found.get("high"), sign=True),
            span(found.get("bootstrap_low"), found.get("bootstrap_high"), sign=True),
            chance(found.get("p_value")),
            chance(found.get("p_holm")),
            number(found.get("minimum_detectable")),
            _needed(found),
        )
        for found in comparisons
    ]
    return Table(
        caption="Gains, paired by seed",
        columns=(
            *("", "gain", "95 % interval", "bootstrap", "p", "p (Holm)", "detectable"),
            "seeds needed",
        ),
        align="lrrrrrrr",
        rows=rows,
        note=GAINS,
    )


def _needed(found: dict[str, Any]) -> str:
    """How many seeds would do, or that no number would while the test rows are so few."""
    if found.get("seeds_needed") is None and found.get("bottleneck") == "rows":
        return "more rows"
    return count(found.get("seeds_needed"))
