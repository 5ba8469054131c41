"""What does a study say with fewer labels? The label curve, and step 2 counted in labels."""

from typing import Any

from steep.reports import charts
from steep.reports.blocks import Curve, Section, Style
from steep.run_tables import Table
from steep.wording import NOTHING, capital, count, number, plain, span

STYLES: dict[str, Style] = {"adapted": "accent", "base": "plain"}
LEAD = (
    "Every arm at every label budget, mean over seeds. The labels are sampled by seed, the same "
    "ones for all arms."
)
NOTE = (
    "The row with the most labels is the study's answer, as declared in advance. Another row says "
    "yes or no only if that holds after Holm's correction for the number of rows; if not, it is a "
    "hint. Worth in labels: how many more labels the arm without step 2 would need to do as well, "
    "read off its curve (linear in the logarithm of the labels; no interval)."
)


def label_curve_section(verdict: dict[str, Any]) -> Section | None:
    """The section on label budgets; none where the study has one budget."""
    budgets = [part for part in verdict.get("budgets", []) if part["labels"]]
    if len(budgets) < 2:
        return None
    metric = plain(verdict["metric"])
    lines = [line for arm in budgets[0]["arms"] if len((line := _line(arm, budgets)).points) > 1]
    title = f"{capital(metric)} by number of labels"
    drawn = charts.panels({title: lines}, "training labels", metric)
    table = _table(budgets, verdict.get("worth_labels", []))
    return Section("Label curve", [drawn, table] if drawn else [table], LEAD)


def _line(arm: str, budgets: list[dict[str, Any]]) -> Curve:
    means = [part["arms"].get(arm, {}).get("mean") for part in budgets]
    return charts.curve(arm, STYLES.get(arm, "faint"), [p["labels"] for p in budgets], means)


def _table(budgets: list[dict[str, Any]], worth: list[dict[str, Any]]) -> Table:
    """What step 2 brought at every budget."""
    more = {line["at"]: line for line in worth}
    rows = []
    for part in budgets:
        main: dict[str, Any] = next((c for c in part["comparisons"] if c["main"]), {})
        means = [number(part["arms"].get(arm, {}).get("mean")) for arm in ("base", "adapted")]
        gain, ends = main.get("gain"), (main.get("low"), main.get("high"))
        cells = (*means, number(gain, sign=True), span(*ends, sign=True), _answer(part))
        rows.append((count(part["labels"]), *cells, _worth(more.get(part["labels"]))))
    return Table(
        caption="Step 2 by number of labels",
        columns=(
            *("labels", "base", "adapted", "gain", "95 % interval", "worth it?"),
            "worth in labels",
        ),
        align="lrrrrlr",
        rows=rows,
        note=NOTE,
    )


def _answer(part: dict[str, Any]) -> str:
    """The answer at a budget; one that does not hold after Holm's correction is a hint."""
    return f"hint of {part['hint']}" if part.get("hint") else part["answer"]


def _worth(line: dict[str, Any] | None) -> str:
    if line is None:
        return NOTHING
    return f"> {count(line['beyond'])}" if line["labels"] is None else f"+{count(line['labels'])}"
