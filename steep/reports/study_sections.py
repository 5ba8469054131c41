"""What did the arms of a study reach, at which certainty and cost, and with how many labels?"""

from typing import Any

import numpy as np

from steep.reports import charts
from steep.reports.blocks import Block, Curve, Facts, Section, Style
from steep.reports.folder import StudyFolder
from steep.run_tables import Table
from steep.wording import NOTHING, capital, chance, count, counted, duration, number, plain, span

STRONG = "adapted"
GAINS_NOTE = (
    "A positive gain is the better result. The interval covers seeds and test rows; the bootstrap, "
    "over both, is a check on it. Only the first row decides; the p-values of the others are "
    "corrected for their number by Holm's method. Detectable: the gain that 8 of 10 studies with "
    "as many seeds and rows (or groups of rows) detect. Seeds needed: to detect the observed gain "
    "as reliably, if it is above the smallest effect."
)

CERTAINTY_LEAD = (
    "The probability is what to bet on; the answer above is what can be claimed. Plan a new study "
    "by these numbers. Adding seeds to this one until the answer suits you makes wrong answers "
    "more likely."
)
STYLES: dict[str, Style] = {STRONG: "accent", "base": "plain", "tfidf": "dashed"}
NAMES = {"tfidf": "word counts"}
CURVE_LEAD = (
    "Every arm at every label budget, mean over seeds. The labels are sampled by seed, the same "
    "ones for all arms."
)
CURVE_NOTE = (
    "The row with the most labels is the study's answer, as declared in advance. A row says yes or "
    "no only if that holds after Holm's correction for the number of rows, in which the answer has "
    "four fifths of the 5 % for wrong ones; if not, it is a hint. Worth in labels: how many more "
    "labels the arm without step 2 would need to do as well, read off its curve (linear in the "
    "logarithm of the labels; no interval)."
)
COSTS_NOTE = (
    "One model: one fit, and step 2 if the arm starts from it. The gain is the mean over seeds; "
    "positive is better."
)


def results_by_arm(study: StudyFolder, metric: str, values: dict[str, charts.Seeds]) -> Table:
    """Mean, spread and interval of every arm, and the means of its other metrics."""
    every = dict.fromkeys(n for cell in study.cells for n in cell.facts.get("test") or {})
    others = [name for name in every if plain(name) != metric]
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
        note=GAINS_NOTE,
    )


def _needed(found: dict[str, Any]) -> str:
    """How many seeds would do, or that no number would while the test rows are so few."""
    if found.get("seeds_needed") is None and found.get("bottleneck") == "rows":
        return "more rows"
    return count(found.get("seeds_needed"))


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
    return Section("How certain is it?", [Facts(facts)], CERTAINTY_LEAD)


def _percent(share: float | None) -> str:
    """A probability in per cent, never as certain."""
    if share is None:
        return "unknown"
    return f"{min(99.9, max(0.1, 100 * share)):.3g} %"


def _more(found: dict[str, Any]) -> str:
    needed, seeds = found.get("seeds_needed"), len(found.get("differences") or [])
    if needed is None:
        few_rows = found.get("bottleneck") == "rows"
        return "more seeds will not settle this" + (": more test rows might" if few_rows else "")
    return "none" if needed <= seeds else f"{needed - seeds:,} ({counted(needed, 'seed')} in all)"


def _source(found: dict[str, Any]) -> str:
    """The larger of the two standard errors."""
    seeds, rows = found.get("se_seeds"), found.get("se_rows")
    if seeds is None or rows is None:
        return "unknown"
    larger, what = max((seeds, "the seeds"), (rows, "the choice of test rows"))
    return f"{what} (standard errors: seeds {number(seeds)}, rows {number(rows)})"


def label_curve_section(verdict: dict[str, Any]) -> Section | None:
    """The section on label budgets; none where the study has one budget."""
    budgets = [part for part in verdict.get("budgets", []) if part["labels"]]
    if len(budgets) < 2:
        return None
    metric = plain(verdict["metric"])
    labels = [part["labels"] for part in budgets]
    means = {
        arm: [p["arms"].get(arm, {}).get("mean") for p in budgets] for arm in budgets[0]["arms"]
    }
    curves = [
        charts.curve(NAMES.get(arm, arm), STYLES.get(arm, "faint"), labels, means[arm])
        for arm in means
    ]
    lines = [line for line in curves if len(line.points) > 1]
    title = f"{capital(metric)} by number of labels"
    drawn = charts.panels({title: lines}, "training labels", metric)
    table = _curve_table(budgets, verdict.get("worth_labels", []))
    return Section("Label curve", [drawn, table] if drawn else [table], CURVE_LEAD)


def _curve_table(budgets: list[dict[str, Any]], worth: list[dict[str, Any]]) -> Table:
    """What step 2 brought at every budget."""
    more = {line["at"]: line for line in worth}
    rows = []
    for part in budgets:
        main: dict[str, Any] = next((c for c in part["comparisons"] if c["main"]), {})
        means = [number(part["arms"].get(arm, {}).get("mean")) for arm in ("base", "adapted")]
        gain, ends = main.get("gain"), (main.get("low"), main.get("high"))
        answer = f"hint of {part['hint']}" if part.get("hint") else part["answer"]
        cells = (*means, number(gain, sign=True), span(*ends, sign=True), answer)
        rows.append((count(part["labels"]), *cells, _worth(more.get(part["labels"]))))
    return Table(
        caption="Step 2 by number of labels",
        columns=(
            *("labels", "base", "adapted", "gain", "95 % interval", "worth it?"),
            "worth in labels",
        ),
        align="lrrrrlr",
        rows=rows,
        note=CURVE_NOTE,
    )


def _worth(line: dict[str, Any] | None) -> str:
    if line is None:
        return NOTHING
    return f"> {count(line['beyond'])}" if line["labels"] is None else f"+{count(line['labels'])}"


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
    shared = study.manifest.get("step2", {})  # of each arm the one whose step 2 it has
    step2 |= {arm: step2.get(owner, 0.0) for arm, owner in shared.items()}
    total = {arm: seconds + step2.get(arm, 0.0) for arm, seconds in fits.items()}
    means = {
        arm: found["mean"]
        for arm, found in verdict["arms"].items()
        if arm in fits and found.get("mean") is not None
    }
    blocks: list[Block] = [_costs_table(study, verdict, fits, step2)]
    if len(means) > 1:  # an arm is a point: further right costs more, further up is a higher metric
        curves = [
            Curve(arm, STYLES.get(arm, "plain"), [(total[arm] / 60, mean)], label=arm)
            for arm, mean in means.items()
        ]
        drawn = charts.panels(
            {"Cost and result": curves}, "minutes per model", plain(verdict["metric"])
        )
        if drawn:
            blocks.insert(0, drawn)
    lead = ""
    if step2["adapted"] and fits.get("base"):
        ratio = number(step2["adapted"] / fits["base"], 1)
        lead = f"Step 2 took as long as {ratio} fits of the base arm."
    return Section("Cost", blocks, lead)


def _costs_table(
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
        note=COSTS_NOTE,
        strong="adapted",
    )
