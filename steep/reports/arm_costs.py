"""What does every arm of a study cost, and what does it bring? A drawing and a table."""

from typing import Any

import numpy as np

from steep.reports import charts
from steep.reports.blocks import Block, Curve, Panels, Section, Style
from steep.reports.folder import StudyFolder
from steep.run_tables import Table
from steep.wording import NOTHING, count, duration, number, plain

STYLES: dict[str, Style] = {"adapted": "accent"}
NOTE = (
    "One model: one fit, and step 2 if the arm starts from it. The gain is the mean over seeds; "
    "positive is better."
)


def cost_section(study: StudyFolder, verdict: dict[str, Any]) -> Section | None:
    """The section on time; none where no run said how long it took."""
    fits = {
        arm: float(np.mean([cell.facts["seconds"] for cell in study.of(arm)]))
        for arm in study.arms
        if all("seconds" in cell.facts for cell in study.of(arm))
    }
    if not fits:
        return None
    step2 = {"adapted": 0.0} | study.step2
    step2["adapted"] = study.manifest.get("step2_seconds") or step2["adapted"]
    total = {arm: seconds + step2.get(arm, 0.0) for arm, seconds in fits.items()}
    means = {
        arm: found["mean"]
        for arm, found in verdict["arms"].items()
        if arm in fits and found.get("mean") is not None
    }
    blocks: list[Block] = [_table(study, verdict, fits, step2)]
    if len(means) > 1 and (drawn := _drawn(plain(verdict["metric"]), total, means)):
        blocks.insert(0, drawn)
    lead = ""
    if step2["adapted"] and fits.get("base"):
        ratio = number(step2["adapted"] / fits["base"], 1)
        lead = f"Step 2 took as long as {ratio} fits of the base arm."
    return Section("Cost", blocks, lead)


def _drawn(metric: str, total: dict[str, float], means: dict[str, float]) -> Panels | None:
    """An arm is a point: further right costs more, further up is a higher metric."""
    curves = [
        Curve(arm, STYLES.get(arm, "plain"), [(total[arm] / 60, mean)], label=arm)
        for arm, mean in means.items()
    ]
    return charts.panels({"Cost and result": curves}, "minutes per model", metric)


def _table(
    study: StudyFolder, verdict: dict[str, Any], fits: dict[str, float], step2: dict[str, float]
) -> Table:
    gains = {c["arm"]: c["gain"] for c in verdict.get("comparisons", []) if c["against"] == "base"}
    rows = [
        (
            arm,
            duration(seconds),
            duration(step2[arm]) if step2.get(arm) else NOTHING,
            duration(seconds + step2.get(arm, 0.0)),
            number(gains.get(arm), sign=True),
            count(len(study.of(arm))),
        )
        for arm, seconds in fits.items()
    ]
    return Table(
        caption="Time and gain",
        columns=("arm", "one fit", "step 2, once", "one model", "gain over base", "fits"),
        align="lrrrrr",
        rows=rows,
        note=NOTE,
        strong="adapted",
    )
