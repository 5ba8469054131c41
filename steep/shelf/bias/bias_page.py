"""How are findings of bias shown? The page of `steep bias`, and a panel for a study's report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from steep import runs
from steep.reports.blocks import Axis, Block, DotRow, Dots, Notes, Page, Section, present
from steep.reports.charts import LONGEST, axis, place
from steep.reports.folder import RunFolder, StagePage, StudyFolder
from steep.run_shapes import COUNT, NUMBER, SHARE
from steep.run_tables import Table
from steep.shapes import Each, Maybe
from steep.shelf.bias import BiasArgs, told
from steep.shelf.bias.measures import BNSP, BPSN, CALIBRATION, FNR, FPR, SUBGROUP
from steep.wording import brief, capital, count, counted, number

Found = Mapping[str, Any]

LEAD = (
    "Each dot is a share of pairs: of a harmful and a harmless comment, how often the harmful one "
    "gets the higher score. 1 is perfect, 0.5 is chance. Worst groups first."
)
AT_THRESHOLD = (
    "What happens where the model decides. Equal error rates and equal calibration cannot both "
    "hold where groups differ in how many comments are harmful (Kleinberg et al. 2016)."
)
BANDS = (
    "These intervals cover the changes of all groups at once, so that none is singled out by luck."
)
NAMES = {BPSN: "BPSN AUC", BNSP: "BNSP AUC", SUBGROUP: "subgroup AUC"}
FIRST = {FPR: "harmless flagged", FNR: "harmful missed", CALIBRATION: "score less label"}


def page(run: RunFolder, texts: bool) -> Page:
    """The page of a run of bias; it holds no text of the data, whatever `texts` says."""
    found, question = run.results, "Who pays for the model's mistakes?"
    answer, sentence = told.headline(found, found["arms"][0])
    if found["differences"]:
        last = found["differences"][-1]
        question = f"Does bias differ between {last['against']} and {last['arm']}?"
        answer, sentence = told.change(found, last)
    return Page(
        question=question,
        answer=answer,
        sentence=sentence,
        paragraph=told.ABSENCE,
        warnings=told.small(found),
        sections=present(
            Section("By group", _drawn(found), LEAD),
            Section("What changed", [_changes(found)], BANDS) if found["differences"] else None,
            Section("At the decision threshold", [_rates(found)], AT_THRESHOLD),
            _swaps(found) if found["swaps"] else None,
            _hatecheck(found) if found["hatecheck"] else None,
            Section("What was examined", [_examined(found)]),
        ),
    )


def panel(folder: str | Path) -> Callable[[RunFolder | StudyFolder, bool], Section | None]:
    """A section of the report of the study in `folder`, whose bias was examined; else None."""
    path = Path(folder) / runs.BIAS

    def section(study: RunFolder | StudyFolder, texts: bool) -> Section | None:
        if not isinstance(study, StudyFolder) or not path.is_file():
            return None
        found = runs.read_shaped(path, BIAS)
        said = [told.change(found, one)[1] for one in found["differences"]]
        lead = " ".join([*said, *told.small(found), told.ABSENCE, LEAD])
        return Section("Unintended bias", [*_drawn(found), _changes(found), _rates(found)], lead)

    return section


def _drawn(found: Found) -> list[Block]:
    """The drawings, the table, and of several arms who is worst off in each."""
    drawn = [one for name in NAMES if (one := _dots(found, name)) is not None]
    worst = [f"{arm['name']}: {told.headline(found, arm)[1]}" for arm in found["arms"]]
    notes = [Notes("Who is worst off", worst)] if len(worst) > 1 else []
    return [*drawn, told.groups_table(found), *notes]


def _dots(found: Found, name: str) -> Dots | None:
    """A row for each group and arm: a dot with its interval; None where no group has enough."""
    arms, first = found["arms"], found["arms"][0]
    rows = [
        (group["name"], arm, arm["by_group"][group["name"]][name])
        for group in told.ordered(found, first)
        if group["name"] in first["by_group"]
        for arm in arms
    ]
    rows = [row for row in rows if row[2]["value"] is not None]
    if not rows:
        return None
    overall, several = first["overall"][SUBGROUP]["value"], len(arms) > 1
    ends = [entry[key] for *_, entry in rows for key in ("value", "low", "high")]
    across = axis("share of pairs", [overall, *(e for e in ends if e is not None)], tight=True)
    said = [f"{group}, {arm['name']}: {told.cell(entry)}" for group, arm, entry in rows]
    own, _, others = told.PAIRS[name]
    title = f"{capital(told.SHORT[name])}: {own.format('the group')}, against {others}"
    drawn = [
        DotRow(
            name=brief(told.shown(group) if arm is first else arm["name"], LONGEST),
            below=brief(arm["name"], LONGEST) if several and arm is first else "",
            style="accent" if (arm is arms[-1] if several else i == 0) else "plain",
            y=round(100 * (i + 0.5) / len(rows), 2),
            value=number(entry["value"]),
            dots=[(place(across, entry["value"]), said[i])],
            interval=_band(across, entry),
        )
        for i, (group, arm, entry) in enumerate(rows)
    ]
    return Dots(
        title=f"{title} ({NAMES[name]})",
        rows=drawn,
        x=across,
        alt=f"{title}: {'; '.join(said)}",
        keys=[("dot", "share of pairs in the right order"), ("band", "95 % interval")],
        marks=[] if several else [(place(across, overall), "all comments")],
        height=2.4 if several else 1.9,
    )


def _band(across: Axis, entry: Found) -> tuple[float, float] | None:
    if entry["low"] is None:
        return None
    return place(across, entry["low"]), place(across, entry["high"])


def _rates(found: Found) -> Table:
    rows = [
        (
            told.named(found, group, arm),
            *(told.cell(own[name], sign=name == CALIBRATION) for name in FIRST),
        )
        for arm in found["arms"]
        for group, own in [("all comments", arm["overall"]), *arm["by_group"].items()]
    ]
    columns = ("group", *FIRST.values())
    return Table("False alarms, misses and calibration", columns, "lrrr", rows)


def _changes(found: Found) -> Table:
    rows = []
    for of in found["differences"]:
        arms = f"{of['arm']} against {of['against']}"
        every = [{"group": "mean", "metric": n} | one for n, one in of["means"].items()]
        for one in [*every, *of["changes"]]:
            name, short = told.shown(one["group"]), told.SHORT[one["metric"]]
            rows.append((name, short, arms, told.cell(one, sign=True)))
    columns = ("group", "", "arms", "change (above 0 is better)")
    return Table("Change of the share of pairs in the right order", columns, "lllr", rows)


def _swaps(found: Found) -> Section:
    rows = [
        (
            name,
            f"{way['from']} → {way['to']}",
            count(way["rows"]),
            told.cell(way["shift"], sign=True),
        )
        for name, swap in found["swaps"].items()
        for way in swap["ways"]
    ]
    columns = ("model", "swap", "swaps", "mean change of the score")
    table = Table("Swapped terms in harmless comments", columns, "llrr", rows)
    said = [f"{name}: {told.swap_sentence(swap)}." for name, swap in found["swaps"].items()]
    return Section("When another group is mentioned", [table], " ".join(said))


def _hatecheck(found: Found) -> Section:
    tables, said = [], ["HateCheck's label is hate, which is not all that may be called harmful."]
    for kind, title in (("functions", "functionality"), ("groups", "group")):
        rows = [
            (
                name,
                one["name"],
                "yes" if one["hateful"] else "no",
                count(one["rows"]),
                told.cell(one),
            )
            for name, tests in found["hatecheck"].items()
            for one in sorted(tests[kind], key=lambda one: one["value"])
        ]
        columns = ("model", title, "hateful", "cases", "accuracy")
        tables.append(Table(f"Accuracy by {title}", columns, "lllrr", rows))
    for name, tests in found["hatecheck"].items():
        if pairs := tests["pairs"]:
            both, order = pairs["both_right"], pairs["in_order"]
            said.append(
                f"{name}: of {counted(both['rows'], 'pair')} of a case and its minimal edit, both "
                f"are right in {both['value']:.0%}, in the right order in {order['value']:.0%}."
            )
    return Section("HateCheck", tables, " ".join(said))


def _examined(found: Found) -> Table:
    least = found["identity_threshold"]
    facts = [
        ("rows", f"{found['rows']:,} of {found['file']}, {found['positives']:,} harmful"),
        ("harmful", f"{found['label']}: {found['label_threshold']:g} or more"),
        ("mentions", "by words" if least is None else f"share of raters: {least:g} or more"),
        ("groups of rows", count(found["clusters"])),
        *(
            (capital(arm["name"]), f"score of 2019 {told.challenge(found, arm)}")
            for arm in found["arms"]
        ),
    ]
    return Table("Rows, thresholds and annotation", ("", ""), "ll", facts)


ENTRY = dict.fromkeys(("value", "low", "high"), Maybe(NUMBER))
METRICS, COUNTED = Each(ENTRY), {"rows": COUNT} | ENTRY
BANDED = [{"group": str, "metric": str} | ENTRY | {"value": NUMBER}]
TESTED = [{"name": str, "hateful": bool} | COUNTED]
SWAPPED = {"rows": COUNT, "skipped": COUNT, "by_label": Each({"gap": ENTRY, "flips": ENTRY})}
BIAS = {  # bias.json of a study, results.json of a run
    **dict.fromkeys(("file", "label"), str),
    **dict.fromkeys(("rows", "positives"), COUNT),
    "clusters": Maybe(COUNT),
    "label_threshold": SHARE,
    "identity_threshold": Maybe(SHARE),
    "groups": [
        {"name": str, "status": str} | dict.fromkeys(("rows", "positives", "negatives"), COUNT)
    ],
    "arms": [
        {"name": str, "overall": METRICS, "by_group": Each(METRICS), "means": METRICS}
        | {"beside": BANDED, "score": Maybe(ENTRY)}
    ],
    "differences": [{"arm": str, "against": str, "means": METRICS, "changes": BANDED}],
    "score_refused": Maybe(str),
    "swaps": Maybe(
        Each(SWAPPED | {"ways": [{"from": str, "to": str, "rows": COUNT, "shift": ENTRY}]})
    ),
    "hatecheck": Maybe(
        Each(dict.fromkeys(("functions", "groups"), TESTED) | {"pairs": Maybe(Each(COUNTED))})
    ),
}
BIAS_PAGE = StagePage(BiasArgs, page, BIAS)
