"""How do numbers become drawings? Axes with round ticks, and positions in per cent."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from steep.reports.blocks import Axis, Curve, DotRow, Dots, Panel, Panels, Point, Style
from steep.wording import number

Seeds = dict[int, float]
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


def seed_dots(title: str, metric: str, arms: dict[str, Seeds], pair: tuple[str, str]) -> Dots:
    """The seeds of every arm on one axis, the two arms of `pair` joined seed by seed."""
    spans = {name: t_interval(list(seeds.values())) for name, seeds in arms.items()}
    ends = [end for span in spans.values() if span for end in span]
    found = [value for seeds in arms.values() for value in seeds.values()]
    across = axis(metric, found + ends, tight=True)
    heights = {name: round(100 * (i + 0.5) / len(arms), 2) for i, name in enumerate(arms)}
    rows = [
        DotRow(
            name=name,
            style="accent" if name == pair[1] else "plain",
            y=heights[name],
            dots=[(place(across, v), f"seed {s}: {number(v)}") for s, v in seeds.items()],
            mean=place(across, float(np.mean(list(seeds.values())))),
            interval=(place(across, at[0]), place(across, at[1])) if (at := spans[name]) else None,
            value=number(float(np.mean(list(seeds.values())))),
        )
        for name, seeds in arms.items()
    ]
    joined = _joined(across, arms, heights, pair) if set(pair) <= arms.keys() else []
    return Dots(title, rows, across, joined, _told_dots(title, arms))


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


def _joined(
    across: Axis, arms: dict[str, Seeds], heights: dict[str, float], pair: tuple[str, str]
) -> list[tuple[Point, Point]]:
    first, second = (arms[name] for name in pair)
    return [
        ((place(across, first[s]), heights[pair[0]]), (place(across, second[s]), heights[pair[1]]))
        for s in first
        if s in second
    ]


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
