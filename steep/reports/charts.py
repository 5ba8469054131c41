"""How do numbers become drawings? Axes with round ticks, and positions in per cent."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from steep.reports.blocks import Axis, Curve, DotRow, Dots, Panel, Panels, Style
from steep.wording import brief, number, span

Seeds = dict[int, float]
LONGEST = 18  # letters of a name that stand beside a drawing on a phone
NARROW = 1e-9  # of the largest value: ticks would be further apart than the values


def axis(name: str, values: Iterable[float], whole: bool = False, tight: bool = False) -> Axis:
    """An axis over all values; `whole` has whole ticks only, `tight` ends where the values end."""
    from matplotlib.ticker import MaxNLocator

    low, high = _bounds(list(values))
    locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=whole)
    ticks = [float(tick) for tick in locator.tick_values(low, high)]
    if tight:
        ticks = [tick for tick in ticks if low <= tick <= high]
    else:
        low, high = ticks[0], ticks[-1]
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    bare = Axis(name, low, high, [])
    labels = [(place(bare, t), f"{t:,.{digits}f}".replace("-", "−")) for t in ticks]
    return replace(bare, ticks=labels)


def place(along: Axis, value: float) -> float:
    """Where a value lies on an axis, in per cent from its low end."""
    return round(100 * (value - along.low) / (along.high - along.low), 2)


def panels(curves: dict[str, list[Curve]], x: str, y: str, whole: bool = False) -> Panels | None:
    """A drawing for each title with points, all on the same axes; None where there are none.

    The points are the numbers themselves.
    """
    kept = {title: [line for line in lines if line.points] for title, lines in curves.items()}
    curves = {title: lines for title, lines in kept.items() if lines}
    if not curves:
        return None
    points = [point for lines in curves.values() for line in lines for point in line.points]
    across = axis(x, (px for px, _ in points), whole=whole, tight=True)
    up = axis(y, (py for _, py in points))
    drawn = [
        Panel(title, [_scaled(line, across, up) for line in lines], across, up, _told(lines, y))
        for title, lines in curves.items()
    ]
    return Panels(drawn)


def seed_dots(title: str, metric: str, arms: dict[str, Seeds], strong: str) -> Dots:
    """The seeds of every arm on one axis; the arm `strong` stands out."""
    spans = {name: t_interval(list(seeds.values())) for name, seeds in arms.items()}
    ends = [end for span in spans.values() if span for end in span]
    found = [value for seeds in arms.values() for value in seeds.values()]
    across = axis(metric, found + ends, tight=True)
    rows = [
        DotRow(
            name=brief(name, LONGEST),
            style="accent" if name == strong else "plain",
            y=_height(i, len(arms)),
            dots=[(place(across, v), f"seed {s}: {number(v)}") for s, v in seeds.items()],
            mean=place(across, float(np.mean(list(seeds.values())))),
            interval=(place(across, at[0]), place(across, at[1])) if (at := spans[name]) else None,
            value=number(float(np.mean(list(seeds.values())))),
        )
        for i, (name, seeds) in enumerate(arms.items())
    ]
    keys = [("dot", "one seed"), ("bar", "mean"), ("band", "95 % interval over seeds")]
    return Dots(title, rows, across, _told_dots(title, arms), keys)


def slopes(title: str, metric: str, arms: dict[str, Seeds], pair: tuple[str, str]) -> Panels | None:
    """A line from the first arm of `pair` to the second for each seed that both have."""
    first, second = (arms.get(name, {}) for name in pair)
    both = [(first[seed], second[seed]) for seed in first if seed in second]
    if not both:
        return None
    up = axis(metric, [value for ends in both for value in ends])
    across = Axis("arm, a line for each seed", 0, 1, [(0, pair[0]), (100, pair[1])])
    lines = [
        Curve("higher" if b > a else "not higher", "accent" if b > a else "plain", [(0, a), (1, b)])
        for a, b in both
    ]
    told = "; ".join(f"{number(a)} to {number(b)}" for a, b in both)
    alt = f"{title}, a seed each: {told}"
    return Panels([Panel(title, [_scaled(line, across, up) for line in lines], across, up, alt)])


def bars(title: str, what: str, values: dict[str, float], note: str = "") -> Dots:
    """A bar for each share of 1, in their order."""
    across = axis(what, [0.0, 1.0], tight=True)
    rows = [
        DotRow(
            name=brief(name, LONGEST),
            style="plain",
            y=_height(i, len(values)),
            value=number(value),
            bar=(0.0, place(across, value)),
        )
        for i, (name, value) in enumerate(values.items())
    ]
    told = ", ".join(f"{name} {number(value)}" for name, value in values.items())
    return Dots(title, rows, across, f"{title}: {told}", height=1.3, note=note)


def gains(title: str, metric: str, comparisons: list[dict[str, Any]], smallest: float) -> Dots:
    """The gain of each comparison with its 95 % interval, against 0 and the `smallest` effect.

    `comparisons` are those of a verdict that have a gain.
    """
    ends = [found.get(key) for found in comparisons for key in ("gain", "low", "high")]
    across = axis(metric, [0.0, smallest, *(end for end in ends if end is not None)])
    rows = [
        DotRow(
            name=brief(found["arm"], LONGEST),
            below=brief(f"over {found['against']}", LONGEST),
            style="accent" if i == 0 else "plain",
            y=_height(i, len(comparisons)),
            value=number(found["gain"], sign=True),
            mean=place(across, found["gain"]),
            interval=None
            if None in (found.get("low"), found.get("high"))
            else (place(across, found["low"]), place(across, found["high"])),
        )
        for i, found in enumerate(comparisons)
    ]
    marks = [(place(across, 0.0), "no gain")]
    if smallest:
        marks.append((place(across, smallest), "smallest effect"))
    told = "; ".join(
        f"{c['arm']} over {c['against']} {number(c['gain'], sign=True)} "
        f"({span(c.get('low'), c.get('high'), sign=True)})"
        for c in comparisons
    )
    keys = [("bar", "gain"), ("band", "95 % interval")]
    return Dots(title, rows, across, f"{title}: {told}", keys, marks)


def t_interval(values: list[float]) -> tuple[float, float] | None:
    """The 95 % t interval of the mean; None for fewer than two values."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return None
    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def curve(name: str, style: Style, x: Iterable[float | None], y: Iterable[float | None]) -> Curve:
    """A curve through the points whose place is known."""
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    points = [(float(a), float(b)) for a, b in pairs]
    return Curve(name, style, [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])])


def _bounds(values: list[float]) -> tuple[float, float]:
    """Of all values; where they are one, or as good as that, some room around it."""
    low, high = min(values), max(values)
    most = max(abs(low), abs(high))
    if high - low > NARROW * most:
        return low, high
    room = max(0.5, NARROW * most)
    return low - room, high + room


def _scaled(line: Curve, x: Axis, y: Axis) -> Curve:
    return replace(
        line, points=[(place(x, a), round(100 - place(y, b), 2)) for a, b in line.points]
    )


def _height(i: int, rows: int) -> float:
    """Of the middle of a row, in per cent."""
    return round(100 * (i + 0.5) / rows, 2)


def _told(lines: list[Curve], what: str) -> str:
    """The curves in a sentence: where each name begins and ends, averaged over its curves."""
    parts = []
    for name in dict.fromkeys(line.name for line in lines):
        drawn = [line.points for line in lines if line.name == name]
        if all(len(points) == 1 for points in drawn):
            parts.append(f"{name} {what} {number(drawn[0][0][1])} at {number(drawn[0][0][0], 1)}")
        else:
            first, last = (float(np.mean([points[i][1] for points in drawn])) for i in (0, -1))
            parts.append(f"{name} {what} from {number(first)} to {number(last)}")
    return "; ".join(parts)


def _told_dots(title: str, arms: dict[str, Seeds]) -> str:
    told = (
        f"{name} {number(float(np.mean(list(seeds.values()))))} "
        f"(from {number(min(seeds.values()))} to {number(max(seeds.values()))})"
        for name, seeds in arms.items()
    )
    return f"{title}, mean and range over seeds: " + "; ".join(told)
