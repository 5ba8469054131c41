"""How are findings of bias shown? The page of `steep bias`, and a panel for a study's report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from steep import runs
from steep.reports.blocks import Block, DotRow, Dots, Notes, Page, Section, present
from steep.reports.charts import LONGEST, axis, place
from steep.reports.folder import RunFolder, StagePage, StudyFolder
from steep.run_shapes import COUNT, NUMBER, SHARE
from steep.run_tables import Table
from steep.shapes import Each, Maybe
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.measures import AUCS, BNSP, BPSN, CALIBRATION, FNR, FPR, SUBGROUP
from steep.shelf.bias.sentences import (
    ABSENCE,
    SHORT,
    cell,
    challenge,
    change,
    headline,
    ordered,
    shown,
    small,
    swap_sentence,
)
from steep.wording import NOTHING, brief, capital, count, counted, number

Found = Mapping[str, Any]

TITLES = {
    BPSN: "False alarms: harmless comments that mention the group, against harmful ones that do "
    "not (BPSN AUC)",
    BNSP: "Misses: harmful comments that mention the group, against harmless ones that do not "
    "(BNSP AUC)",
    SUBGROUP: "Within the group: harmful against harmless comments that mention it (subgroup AUC)",
}
LEAD = (
    "Each dot is a share of pairs: of a harmful and a harmless comment, how often the harmful one "
    "gets the higher score. 1 is perfect, 0.5 is chance. Worst groups first."
)
AT_THRESHOLD = (
    "What happens where the model decides. Equal error rates and equal calibration cannot both "
    "hold where groups differ in how many comments are harmful (Kleinberg et al. 2016)."
)
BANDS = "These intervals hold all changes of groups at once, so that none is singled out by luck."
FIRST = {FPR: "harmless flagged", FNR: "harmful missed", CALIBRATION: "score less label"}


def page(run: RunFolder, texts: bool) -> Page:
    """The page of a run of bias; it holds no text of the data, whatever `texts` says."""
    found, question = run.results, "Who pays for the model's mistakes?"
    answer, sentence = headline(found, found["arms"][0])
    if found["differences"]:
        last = found["differences"][-1]
        question = f"Does bias differ between {last['against']} and {last['arm']}?"
        answer, sentence = change(found, last)
    return Page(
        question=question,
        answer=answer,
        sentence=sentence,
        paragraph=ABSENCE,
        warnings=small(found),
        sections=present(
            Section("By group", _drawn(found), LEAD),
            Section("What changed", [_changes(found)], BANDS) if found["differences"] else None,
            Section("At the decision threshold", [_rates(found)], AT_THRESHOLD),
            _swaps(found),
            _hatecheck(found),
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
        told = [change(found, one)[1] for one in found["differences"]]
        lead = " ".join([*told, *small(found), ABSENCE, LEAD])
        return Section("Unintended bias", [*_drawn(found), _changes(found), _rates(found)], lead)

    return section


def _drawn(found: Found) -> list[Block]:
    """The drawings, the table, and of several arms who is worst off in each."""
    drawn = [_dots(found, name) for name in (BPSN, BNSP, SUBGROUP)]
    arms = found["arms"] if len(found["arms"]) > 1 else []
    told = [f"{arm['name']}: {headline(found, arm)[1]}" for arm in arms]
    notes = [Notes("Who is worst off", told)] if told else []
    return [*(one for one in drawn if one is not None), groups_table(found), *notes]


def _dots(found: Found, name: str) -> Dots | None:
    """A row for each group and arm: a dot with its interval; None where no group has enough."""
    arms, first = found["arms"], found["arms"][0]
    rows = [
        (group["name"], arm, arm["by_group"][group["name"]][name])
        for group in ordered(found, first)
        if group["name"] in first["by_group"]
        for arm in arms
    ]
    rows = [row for row in rows if row[2]["value"] is not None]
    if not rows:
        return None
    overall, several = first["overall"][SUBGROUP]["value"], len(arms) > 1
    ends = [entry[key] for *_, entry in rows for key in ("value", "low", "high")]
    across = axis("share of pairs", [overall, *(e for e in ends if e is not None)], tight=True)
    told = [f"{group}, {arm['name']}: {cell(entry)}" for group, arm, entry in rows]
    drawn = [
        DotRow(
            name=brief(shown(group) if arm is first else arm["name"], LONGEST),
            below=brief(arm["name"], LONGEST) if several and arm is first else "",
            style="accent" if (arm is arms[-1] if several else i == 0) else "plain",
            y=round(100 * (i + 0.5) / len(rows), 2),
            value=number(entry["value"]),
            dots=[(place(across, entry["value"]), told[i])],
            interval=None
            if entry["low"] is None
            else (place(across, entry["low"]), place(across, entry["high"])),
        )
        for i, (group, arm, entry) in enumerate(rows)
    ]
    return Dots(
        title=TITLES[name],
        rows=drawn,
        x=across,
        alt=f"{TITLES[name]}: {'; '.join(told)}",
        keys=[("dot", "share of pairs in the right order"), ("band", "95 % interval")],
        marks=[] if several else [(place(across, overall), "all comments")],
        height=2.4 if several else 1.9,
    )


def groups_table(found: Found) -> Table:
    """Rows of each group and its three AUCs, by arm; worst first, those that are too few last."""
    rows = []
    for group in ordered(found, found["arms"][0]):
        counts = tuple(count(group[key]) for key in ("rows", "positives", "negatives"))
        for arm in found["arms"]:
            own = arm["by_group"].get(group["name"])
            aucs = [cell(own[name]) for name in AUCS] if own else ["too few"] * 3
            rows.append((_named(found, group["name"], arm), *counts, *aucs))
    for arm in found["arms"]:
        means = [cell(arm["means"][n]) if n in arm["means"] else NOTHING for n in AUCS]
        rows.append((_named(found, "mean", arm), *([NOTHING] * 3), *means))
    return Table(
        caption="Comments that mention a group, and shares of pairs in the right order",
        columns=("group", "rows", "harmful", "harmless", *(SHORT[name] for name in AUCS)),
        align="lrrrrrr",
        rows=rows,
        note="The mean is the generalised one with p = −5, which leans to the worst group.",
    )


def _named(found: Found, group: str, arm: Found) -> str:
    several = len(found["arms"]) > 1
    return f"{shown(group)}, {arm['name']}" if several else shown(group)


def _rates(found: Found) -> Table:
    rows, gaps = [], []
    for arm in found["arms"]:
        for group, own in [("all comments", arm["overall"]), *arm["by_group"].items()]:
            cells = (cell(own[name], sign=name == CALIBRATION) for name in FIRST)
            rows.append((_named(found, group, arm), *cells))
        for gap in (max(of, key=lambda one: abs(one["value"])) for of in arm["rates"] if of):
            gaps.append(
                f"{_named(found, gap['group'], arm)}, {FIRST[gap['metric']]} {cell(gap, True)}"
            )
    return Table(
        caption="False alarms, misses and calibration",
        columns=("group", *FIRST.values()),
        align="lrrr",
        rows=rows,
        note=f"Largest differences from all comments: {'; '.join(gaps)}." if gaps else "",
    )


def _changes(found: Found) -> Table:
    rows = []
    for of in found["differences"]:
        arms = f"{of['arm']} against {of['against']}"
        every = [{"group": "mean", "metric": n} | one for n, one in of["means"].items()]
        for one in [*every, *of["changes"]]:
            rows.append((shown(one["group"]), SHORT[one["metric"]], arms, cell(one, sign=True)))
    columns = ("group", "", "arms", "change (above 0 is better)")
    return Table("Change of the share of pairs in the right order", columns, "lllr", rows)


def _swaps(found: Found) -> Section | None:
    if not found["swaps"]:
        return None
    rows = [
        (name, f"{way['from']} to {way['to']}", count(way["rows"]), cell(way["shift"], sign=True))
        for name, swap in found["swaps"].items()
        for way in swap["ways"]
    ]
    columns = ("model", "swap", "swaps", "mean change of the score")
    table = Table("Swapped terms in harmless comments", columns, "llrr", rows)
    lead = " ".join(f"{name}: {swap_sentence(swap)}." for name, swap in found["swaps"].items())
    return Section("When another group is mentioned", [table], lead)


def _hatecheck(found: Found) -> Section | None:
    if not found["hatecheck"]:
        return None
    tables, told = [], ["HateCheck's label is hate, which is not all that may be called harmful."]
    for kind, title in (("functions", "functionality"), ("groups", "group")):
        rows = [
            (name, one["name"], "yes" if one["hateful"] else "no", count(one["rows"]), cell(one))
            for name, tests in found["hatecheck"].items()
            for one in sorted(tests[kind], key=lambda one: one["value"])
        ]
        columns = ("model", title, "hateful", "cases", "accuracy")
        tables.append(Table(f"Accuracy by {title}", columns, "lllrr", rows))
    for name, tests in found["hatecheck"].items():
        if pairs := tests["pairs"]:
            both, order = pairs["both_right"], pairs["in_order"]
            told.append(
                f"{name}: of {counted(both['rows'], 'pair')} of a case and its minimal edit, both "
                f"are right in {both['value']:.0%}, in the right order in {order['value']:.0%}."
            )
    return Section("HateCheck", tables, " ".join(told))


def _examined(found: Found) -> Table:
    least = found["identity_threshold"]
    facts = [
        ("rows", f"{found['rows']:,} of {found['file']}, {found['positives']:,} harmful"),
        ("harmful", f"{found['label']}: {found['label_threshold']:g} or more"),
        ("mentions", "by words" if least is None else f"share of raters: {least:g} or more"),
        ("groups of rows", count(found["clusters"])),
        *(
            (capital(arm["name"]), f"score of 2019 {challenge(found, arm)}")
            for arm in found["arms"]
        ),
    ]
    return Table("Rows, thresholds and annotation", ("", ""), "ll", facts)


ENTRY = dict.fromkeys(("value", "low", "high"), Maybe(NUMBER))
METRICS, COUNTED = Each(ENTRY), {"rows": COUNT} | ENTRY
BANDED = [
    {"group": str, "metric": str, "value": NUMBER} | dict.fromkeys(("low", "high"), ENTRY["low"])
]
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
        | {"beside": BANDED, "rates": [BANDED], "score": Maybe(ENTRY)}
    ],
    "differences": [{"arm": str, "against": str, "means": METRICS, "changes": BANDED}],
    "score_refused": Maybe(str),
    "swaps": Maybe(
        Each(SWAPPED | {"ways": [{"from": str, "to": str, "rows": COUNT, "shift": ENTRY}]})
    ),
    "hatecheck": Maybe(
        Each(
            {"functions": TESTED, "groups": TESTED}
            | {"pairs": Maybe({"both_right": COUNTED, "in_order": ENTRY})}
        )
    ),
}
BIAS_PAGE = StagePage(BiasArgs, page, BIAS)
