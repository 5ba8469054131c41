"""What do the findings mean, in plain words? Lines for the terminal, sentences, and tables.

An AUC is told as what it is: of 100 pairs of a harmful and a harmless comment, so many have the
right order. It is told of comments that mention a group, never of people; and nothing is called
fair, since what was not found may still be there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from steep.run_tables import Table
from steep.shelf.bias.findings import FEW, SCARCE, lowest
from steep.shelf.bias.measures import AUCS, BNSP, BPSN, SUBGROUP
from steep.wording import NOTHING, count, counted, number, some, span

Found = Mapping[str, Any]

SHORT = {SUBGROUP: "within the group", BPSN: "false alarms", BNSP: "misses"}
PAIRS = {  # which comment of a pair should not score above or below which other one
    SUBGROUP: ("harmless comments that mention {}", "above", "harmful ones that also do"),
    BPSN: ("harmless comments that mention {}", "above", "harmful ones that do not mention it"),
    BNSP: ("harmful comments that mention {}", "below", "harmless ones that do not mention it"),
}
ABSENCE = (
    "What was not found may still be there: groups that were not asked for, comments of another "
    "kind, and what the annotators themselves got wrong."
)
NONE = f"No group has {FEW} harmful and {FEW} harmless comments, so nothing can be said."
CLOSE = 0.02  # of an AUC: where nothing larger can be ruled out, the answer is "cannot tell"
STATES = {
    ("few", "none"): f"Too few, so left out (fewer than {FEW} harmful or harmless comments)",
    ("scarce",): f"Wide intervals (fewer than {SCARCE} harmful or harmless comments)",
}


def headline(found: Found, arm: Found) -> tuple[str, str]:
    """The answer in a few words, and in a sentence: the worst group of an arm, or that none is."""
    if not arm["beside"]:
        return "Cannot tell", NONE
    worst = lowest(arm["beside"])
    group, (own, way, others) = shown(worst["group"]), PAIRS[worst["metric"]]
    both = arm["by_group"][worst["group"]][worst["metric"]], arm["overall"][SUBGROUP]
    wrong, usual = (_hundred(1 - one["value"]) for one in both)
    pairs = (
        f"{own.format(group)} score {way} {others} in {wrong} of 100 pairs; of all comments, "
        f"harmless ones score above harmful ones in {usual} of 100."
    )
    if worst["high"] is not None and worst["high"] < 0:
        apart = f"{_hundred(-worst['high'])} to {_hundred(-worst['low'])}"
        sentence = f"Worst off are comments that mention {group}: {pairs}"
        return f"Comments that mention {group}", f"{sentence} Difference, 95 % interval: {apart}."
    limit = "" if worst["low"] is None else f" larger than {_hundred(max(0.0, -worst['low']))}"
    told = f"No difference found{limit} of 100 pairs, {_scope(found, arm)}"
    return "No clear difference", f"{told}. The worst: {pairs}"


def change(found: Found, difference: Found) -> tuple[str, str]:
    """What differs between two arms: the groups for which it is clear, or that none is."""
    arms, changes = f"{difference['arm']} against {difference['against']}", difference["changes"]
    if not changes:
        return "Cannot tell", NONE
    known = [one for one in changes if one["low"] is not None]
    if clear := [one for one in known if one["low"] * one["high"] > 0]:
        clear.sort(key=lambda one: -abs(one["value"]))
        return "Yes", f"{arms}: {'; '.join(map(_changed, clear))}."
    most = max((abs(one[end]) for one in known for end in ("low", "high")), default=None)
    limit = f" larger than {_hundred(most)} of 100 pairs" if most is not None else ""
    answer = "No difference found" if most is not None and most <= CLOSE else "Cannot tell"
    return answer, f"{arms}: no difference found{limit}, {_scope(found, found['arms'][0])}."


def _changed(one: Found) -> str:
    """A clear change of one group, in words."""
    way = "fewer" if one["value"] > 0 else "more"
    low, high = sorted(abs(one[end]) for end in ("low", "high"))
    by = f"by {_hundred(abs(one['value']))} of 100 ({_hundred(low)} to {_hundred(high)})"
    return (
        f"{way} pairs in the wrong order for {shown(one['group'])} ({SHORT[one['metric']]}), {by}"
    )


def _scope(found: Found, arm: Found) -> str:
    groups = counted(len(arm["by_group"]), "group")
    return f"for {groups} on {counted(found['rows'], 'row')}, all compared at once"


def _hundred(share: float) -> str:
    return f"{100 * share:.1f}"


def small(found: Found) -> list[str]:
    """Which groups are too few to say anything, or enough only for wide intervals."""
    named = {
        what: [
            f"{shown(g['name'])} ({g['positives']} harmful, {g['negatives']} harmless)"
            for g in found["groups"]
            if g["status"] in states
        ]
        for states, what in STATES.items()
    }
    return [f"{what}: {some(groups, 24)}." for what, groups in named.items() if groups]


def lines_of(found: Found) -> Iterator[str]:
    """What the command prints."""
    together = f", {found['clusters']:,} groups of rows" if found["clusters"] else ""
    yield f"{found['file']}: {found['rows']:,} rows, {found['positives']:,} harmful{together}"
    for arm in found["arms"]:
        yield f"{arm['name']}: auc {cell(arm['overall'][SUBGROUP])}"
        for group in ordered(found, arm):
            own = arm["by_group"].get(group["name"])
            aucs = ", ".join(f"{SHORT[n]} {cell(own[n])}" for n in AUCS) if own else "too few"
            counts = f"{group['rows']:,} rows, {group['positives']:,} harmful"
            yield f"  {group['name']} ({counts}): {aucs}"
        yield from (f"  mean, {SHORT[name]}: {cell(one)}" for name, one in arm["means"].items())
        yield f"  score of the 2019 challenge: {challenge(found, arm)}"
        yield f"  {headline(found, arm)[1]}"
    yield from (change(found, one)[1] for one in found["differences"])
    yield from small(found)
    for name, swap in (found["swaps"] or {}).items():
        yield f"{name}, swapped terms: {swap_sentence(swap)}"
    for name, tests in (found["hatecheck"] or {}).items():
        worst = sorted(tests["functions"], key=lambda one: one["value"])[:3]
        told = some([f"{one['name']} {one['value']:.0%}" for one in worst])
        yield f"{name}, HateCheck: lowest accuracy by functionality: {told}"


def challenge(found: Found, arm: Found) -> str:
    """The score of the challenge of 2019, or why there is none."""
    return cell(arm["score"]) if arm["score"] else f"none: {found['score_refused']}"


def ordered(found: Found, arm: Found) -> list[Found]:
    """The groups, worst first by their lowest AUC; those that are too few come last."""

    def least(group: Found) -> float:
        own = arm["by_group"].get(group["name"])
        values = [own[name]["value"] for name in AUCS] if own else []
        return min((value for value in values if value is not None), default=2)

    return sorted(found["groups"], key=least)


def swap_sentence(swap: Found) -> str:
    """How much swapped terms change the score, harmless comments first."""
    told = "; ".join(
        f"{kind} comments: the score changes by {cell(one['gap'])}, the decision in "
        f"{one['flips']['value']:.1%} of swaps"
        for kind, one in swap["by_label"].items()
    )
    left = f"{swap['skipped']:,} skipped, with several groups or a word of [skip]"
    return f"{told} ({counted(swap['rows'], 'row')}; {left})"


def groups_table(found: Found) -> Table:
    """Rows of each group and its three AUCs, by arm; worst first, those that are too few last."""
    rows = []
    for group in ordered(found, found["arms"][0]):
        counts = tuple(count(group[key]) for key in ("rows", "positives", "negatives"))
        for arm in found["arms"]:
            own = arm["by_group"].get(group["name"])
            aucs = [cell(own[name]) for name in AUCS] if own else ["too few"] * 3
            rows.append((named(found, group["name"], arm), *counts, *aucs))
    for arm in found["arms"]:
        means = [cell(arm["means"][n]) if n in arm["means"] else NOTHING for n in AUCS]
        rows.append((named(found, "mean", arm), *([NOTHING] * 3), *means))
    return Table(
        caption="Comments that mention a group, and shares of pairs in the right order",
        columns=("group", "rows", "harmful", "harmless", *(SHORT[name] for name in AUCS)),
        align="lrrrrrr",
        rows=rows,
        note="The mean is the generalised one with p = −5, which leans to the worst group.",
    )


def named(found: Found, group: str, arm: Found) -> str:
    """A group, where there are several arms with the arm's name."""
    return f"{shown(group)}, {arm['name']}" if len(found["arms"]) > 1 else shown(group)


def shown(name: str) -> str:
    """The name of a group, which may be that of a column, in words."""
    return name.replace("_", " ")


def cell(one: Found, sign: bool = False) -> str:
    """A value with its interval, where it has one."""
    value = number(one["value"], sign=sign)
    return value if one["low"] is None else f"{value} ({span(one['low'], one['high'], sign=sign)})"
