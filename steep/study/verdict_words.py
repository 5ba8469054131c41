"""How is a verdict said in plain English? One sentence, and one paragraph around it."""

from typing import Any

from steep.args.pretraining import PriceArgs
from steep.metrics.scores import METRICS
from steep.study.arms import ADAPTED, BASE, COUNTS
from steep.wording import counted, duration

_RAW = ("rmse", "mae", "log_loss", "spearman", "r2")
_POINTS = {name for names in METRICS.values() for name in names} - set(_RAW)


def in_words(verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict with its `sentence` and `paragraph`, straight after the answer."""
    said = {"answer": verdict["answer"], "sentence": _sentence(verdict)}
    verdict = verdict | {"best": _best(verdict)}
    parts = (
        *(
            said["sentence"],
            verdict["best"],
            _values(verdict),
            _chance(verdict),
            _cost(verdict["cost"]),
        ),
        *(_plan(verdict), *_rivals(verdict), *_budgets(verdict), *_worth(verdict)),
        *_others(verdict),
    )
    said["paragraph"] = " ".join(part for part in parts if part)
    return said | verdict


def _first(verdict: dict[str, Any]) -> dict[str, Any] | None:
    """Adapted against base, where the two have a seed in common."""
    return next((c for c in verdict["comparisons"] if c["main"]), None)


def _sentence(verdict: dict[str, Any]) -> str:
    metric, comparison = verdict["metric"], _first(verdict)
    if comparison is None:
        return "Cannot tell: no seed has a usable run both with and without step 2."
    change = f"changed {metric} by {_gain(verdict, comparison['gain'])}"
    if len(comparison["seeds"]) == 1:
        return (
            f"Cannot tell: with one seed, step 2 {change}, but another seed alone could change it "
            "as much; run 5 seeds."
        )
    if comparison["low"] is None and verdict["rests_on"]["count"] <= 1:
        return (
            f"Cannot tell: step 2 {change}, but there is only one of the "
            f"{verdict['rests_on']['what']} that {metric} rests on, so chance cannot be estimated; "
            "test on more."
        )
    if comparison["low"] is None:
        return (
            f"Cannot tell: step 2 {change}, but nothing varies between seeds or test rows, so "
            "chance cannot be estimated; use more test rows."
        )
    found = f"{_opening(verdict, comparison)}: step 2 {change} ({_interval(verdict, comparison)})"
    if verdict["hint"]:
        found += f", a hint of '{verdict['hint']}' that does not hold {_corrected(verdict)}"
    return f"{found}."


def _corrected(verdict: dict[str, Any]) -> str:
    return f"after correction for {len(verdict['budgets'])} budgets"


def _opening(verdict: dict[str, Any], comparison: dict[str, Any]) -> str:
    smallest = verdict["smallest_effect"]
    if verdict["answer"] == "yes":
        return f"Yes, by more than {_size(verdict, smallest)}" if smallest else "Yes"
    if verdict["answer"] == "cannot tell":
        return "Cannot tell"
    if comparison["high"] <= 0:
        return "No, it does harm" if comparison["high"] < 0 else "No"
    return f"No, the gain is below {_size(verdict, smallest)}"


def _best(verdict: dict[str, Any]) -> str:
    """Which of word counts, base and adapted is best, by the mean over seeds; else empty."""
    means = {arm: verdict["arms"].get(arm, {}).get("mean") for arm in (COUNTS, BASE, ADAPTED)}
    known = {arm: mean for arm, mean in means.items() if mean is not None}
    if len(known) < len(means):
        return ""
    first, *others = sorted(known, key=known.__getitem__, reverse=verdict["higher_is_better"])
    rest = " and ".join(f"{_name(arm)} {known[arm]:.4g}" for arm in others)
    return (
        f"Best on the test rows: {_name(first)} (mean {verdict['metric']} {known[first]:.4g}; "
        f"{rest})."
    )


def _name(arm: str) -> str:
    return "word counts" if arm == COUNTS else arm


def _values(verdict: dict[str, Any]) -> str:
    base, adapted = (verdict["arms"][arm] for arm in (BASE, ADAPTED))
    if base["mean"] is None or adapted["mean"] is None:
        return ""
    groups = f" in {verdict['groups']:,} groups" if verdict["groups"] else ""
    return (
        f"On {verdict['rows']:,} test rows{groups} the mean {verdict['metric']} was "
        f"{base['mean']:.4g} without step 2{_spread(base)} and {adapted['mean']:.4g} with "
        f"it{_spread(adapted)}."
    )


def _spread(arm: dict[str, Any]) -> str:
    return "" if arm["sd"] is None else f" (sd over seeds {arm['sd']:.2g})"


def _cost(cost: dict[str, Any]) -> str:
    took = f"Step 2 took {duration(cost['step2_seconds'])}"
    return (
        f"{took}, {cost['ratio']:.1f} times as long as one fine-tuning."
        if cost["ratio"]
        else f"{took}."
    )


def _plan(verdict: dict[str, Any]) -> str:
    """What would settle it, when it is not settled."""
    comparison = _first(verdict)
    if verdict["answer"] != "cannot tell" or comparison is None or comparison["low"] is None:
        return ""
    smallest = _size(verdict, comparison["minimum_detectable"])
    found = f"A gain of {smallest} or more would have been found in 8 of 10 such studies."
    if comparison["seeds_needed"]:
        more = counted(comparison["seeds_needed"] - len(comparison["seeds"]), "more seed")
        return f"{found} About {more} would be needed to confirm the difference seen here."
    if comparison["bottleneck"] == "rows":
        more = "groups" if verdict["groups"] else "rows"
        return f"{found} More seeds will not settle this; more test {more} might."
    if comparison["gain"] <= (smallest_effect := verdict["smallest_effect"]):
        aim = f"above {_size(verdict, smallest_effect)}" if smallest_effect else "a gain"
        return f"{found} The difference seen here is not {aim}, so no number of seeds is given."
    return f"{found} More seeds will not settle this: the difference seen here is too small."


def _chance(verdict: dict[str, Any]) -> str:
    """How probable a gain that matters is."""
    comparison = _first(verdict)
    if comparison is None or comparison["probability"] is None:
        return ""
    smallest = verdict["smallest_effect"]
    what = f"a gain of more than {_size(verdict, smallest)}" if smallest else "any gain"
    share = min(99.9, max(0.1, 100 * comparison["probability"]))
    return f"The probability that step 2 brings {what} is {share:.3g} %."


def _rivals(verdict: dict[str, Any]) -> list[str]:
    """Step 2 against what else could have been done with its time."""
    rivals = [c for c in verdict["comparisons"] if c["arm"] == ADAPTED and not c["main"]]
    return [
        f"Against '{c['against']}' the gain is {_gain(verdict, c['gain'])}{_aside(verdict, c)}."
        for c in rivals
    ]


def _budgets(verdict: dict[str, Any]) -> list[str]:
    """What the other label budgets say, after correction for how many were looked at."""
    said = []
    for part in verdict["budgets"][:-1]:
        found = _first(part)
        if found is None or found["low"] is None:
            continue
        gain = f"{_gain(verdict, found['gain'])} ({_interval(verdict, found)})"
        corrected = _corrected(verdict)
        answer = part["answer"]
        if part["hint"]:
            p = f"(p {found['p_holm']:.2g})"
            answer = f"a hint of '{part['hint']}' that does not hold {corrected} {p}"
        elif answer != "cannot tell":
            answer = f"{answer}, also {corrected}"
        said.append(f"With {part['labels']:,} labels the gain was {gain}: {answer}.")
    return said


def _worth(verdict: dict[str, Any]) -> list[str]:
    """Step 2 in labels by the means alone, for the smallest budget that it can be said of."""
    more = verdict.get("more_labels")
    if more is not None:
        return [_more_labels(more)]
    for line in verdict["worth_labels"][:1]:
        start = f"By the means alone, step 2 at {line['at']:,} labels"
        if line["labels"] is not None:
            return [f"{start} is worth about {line['labels']:,} more labels."]
        return [f"{start} does better than {line['beyond']:,} labels without it."]
    return []


def in_money(verdict: dict[str, Any], prices: PriceArgs) -> str:
    """Step 2, and the labels that would do the same, at the user's prices; empty without any."""
    hours, label = verdict["cost"]["step2_seconds"] / 3600, prices.label_price
    more, said = verdict.get("more_labels"), []
    if prices.hour_price is not None:
        said.append(f"step 2 cost {hours * prices.hour_price:,.2f}")
    if label is not None and more is not None:
        known = [(word, more[end]) for word, end in (("from", "low"), ("to", "high"))]
        ends = " ".join(f"{word} {label * n:,.2f}" for word, n in known if n is not None)
        said.append(
            f"as many labels {ends}" if ends else f"labels over {label * more['beyond']:,.2f}"
        )
    elif label is not None:
        said.append("how many labels would do the same is not known")
    return f" At your prices {' and '.join(said)}." if said else ""


def _more_labels(more: dict[str, Any]) -> str:
    """The range of labels that would do the same, and how far it may be believed."""
    low, high, beyond = more["low"], more["high"], more["beyond"]
    if low is None:
        worth = f"more than {beyond:,} more labels"
    elif high is None:
        worth = f"{low:,} more labels or above {beyond:,}"
    else:
        worth = f"about {low:,} to {high:,} more labels"
    return (
        f"Step 2 at {more['at']:,} labels is worth {worth}, by two curves through base (80 % of "
        "resampled seeds and rows); beyond four times your labels nothing is said."
    )


def _others(verdict: dict[str, Any]) -> list[str]:
    """A sentence for every further arm."""
    others = [c for c in verdict["comparisons"] if c["arm"] != ADAPTED]
    return [
        f"The arm '{c['arm']}' reached {verdict['arms'][c['arm']]['mean']:.4g}, "
        f"{_gain(verdict, c['gain'])} against base{_aside(verdict, c)}."
        for c in others
    ]


def _aside(verdict: dict[str, Any], comparison: dict[str, Any]) -> str:
    return f" ({_interval(verdict, comparison)})" if comparison["low"] is not None else ""


def _interval(verdict: dict[str, Any], comparison: dict[str, Any]) -> str:
    low, high = (_number(verdict, comparison[end]) for end in ("low", "high"))
    return f"95 % interval {low} to {high}, {len(comparison['seeds'])} seeds"


def _gain(verdict: dict[str, Any], value: float) -> str:
    """A signed gain; where lower is better, what the sign means is said."""
    better = "" if verdict["higher_is_better"] else " (positive means better, that is, lower)"
    return f"{_number(verdict, value)}{_unit(verdict)}{better}"


def _size(verdict: dict[str, Any], value: float) -> str:
    return f"{_number(verdict, value).lstrip('+')}{_unit(verdict)}"


def _number(verdict: dict[str, Any], value: float) -> str:
    if verdict["metric"] in _POINTS:
        return f"{100 * value:+.1f}"
    return f"{value:+.3g}"


def _unit(verdict: dict[str, Any]) -> str:
    return " points" if verdict["metric"] in _POINTS else ""
