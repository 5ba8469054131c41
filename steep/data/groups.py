"""Which rows belong together? Groups (documents, authors, threads, templates), kept in one part."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from steep.data.raw import TEXT, Raw, is_missing
from steep.data.splits import LEFT_OUT
from steep.errors import SteepError
from steep.wording import counted, quoted, some

if TYPE_CHECKING:
    from steep.data.corpus import Corpus

SPLIT_ANEW = "scores on them flatter. Split anew by --group"


def check_group_column(raw: Raw, name: str) -> None:
    """Raises SteepError where the table has no such column, or one of lists."""
    if name not in raw.columns:
        raise SteepError(
            f"{raw.where}: there is no column {quoted(name)}, which --group names. Every file of "
            f"rows needs it; the columns here are {some(list(map(quoted, raw.columns)))}. Add it, "
            "or leave --group out."
        )
    if raw.columns[name] != TEXT:
        raise SteepError(
            f"{raw.where}, column {quoted(name)}: holds lists, where --group expects one name a "
            "row."
        )


def check_groups(corpus: "Corpus", where: str, name: str) -> None:
    """Raises SteepError where a row has no group."""
    cells = corpus.table["group"][:]
    empty = np.flatnonzero([is_missing(cell) for cell in cells])
    if len(empty):
        rows = some([str(row + 1) for row in corpus.rows()[empty]])
        raise SteepError(
            f"{where}, column {quoted(name)}: {len(empty):,} of {len(cells):,} rows have no group "
            f"(rows {rows}). Fill in one; a row that belongs to no other gets a name of its own."
        )


def check_several(corpus: "Corpus", name: str | None) -> None:
    """Raises SteepError where all rows are of one group."""
    groups = corpus.groups()
    if groups is not None and len(corpus) and len(set(groups)) == 1:
        raise SteepError(
            f"{corpus.source}, column {quoted(str(name))}: all {len(corpus):,} rows are of one "
            f"group ({quoted(groups[0])}), which can neither be split nor say how others would "
            "do. Name a column of several groups, or leave --group out."
        )


def group_notes(parts: Mapping[str, "Corpus"], name: str | None, left_out: int) -> list[str]:
    """What the user should know of the groups of each part, in sentences; none without groups."""
    every = {part: corpus.groups() for part, corpus in parts.items() if len(corpus)}
    known = {part: groups for part, groups in every.items() if groups is not None}
    if not known:
        return []
    column = quoted(str(name))
    if all(corpus.group_codes() is None for corpus in parts.values()):
        return [f"column {column}: every row is a group of its own, so nothing is grouped"]
    counts = [f"{len(set(groups)):,} in {part}" for part, groups in known.items()]
    notes = [f"groups of rows that belong together, by column {column}: {', '.join(counts)}"]
    if left_out:
        notes.append(
            f"groups: {counted(left_out, 'row')} left out, whose text another group has in a part "
            "that is held out"
        )
    for part, other in combinations(known, 2):
        both = np.isin(known[other], known[part])
        if both.any():
            names = sorted(set(known[other][both]))
            notes.append(
                f"{other}: {len(names):,} of its {len(set(known[other])):,} groups "
                f"({some(names, 3)}), {both.sum():,} of its {len(both):,} rows, have rows in "
                f"{part}, too: {SPLIT_ANEW}"
            )
    return notes


def described(parts: Mapping[str, "Corpus"], name: str | None, left_out: int) -> dict[str, Any]:
    """Groups by part, as plain JSON; empty without groups.

    {"groups": {"column", "left_out", "parts": {part: {"groups", "rows", "largest", "shared"}}}};
    `shared` counts the rows whose group has rows in a part before it.
    """
    found, seen = {}, np.zeros(0, object)
    for part, corpus in parts.items():
        names = corpus.groups()
        if names is None:
            return {}
        _, sizes = np.unique(names, return_counts=True)
        found[part] = {
            "groups": len(set(names)),
            "rows": len(names),
            "largest": int(sizes.max(initial=0)),
            "shared": int(np.isin(names, seen).sum()),
        }
        seen = np.concatenate([seen, names])
    return {"groups": {"column": name, "left_out": left_out, "parts": found}}


def nearest_split(draws: Sequence[np.ndarray], strata: np.ndarray, wanted: np.ndarray) -> int:
    """Which of several splits gives every part its share of rows, and of every stratum.

    draws: places (n,) each; strata: int64 (n,); wanted: the share of each place, float64 (places,).
    """
    _, strata = np.unique(strata, return_inverse=True)
    whole, totals = len(wanted), np.bincount(strata)
    off = []
    for places in draws:
        cells = np.bincount(places * len(totals) + strata, minlength=whole * len(totals))
        counts = cells.reshape(whole, len(totals))
        apart = np.abs(counts - np.outer(wanted, totals)).sum()
        off.append(apart + np.abs(counts.sum(axis=1) - wanted * len(strata)).sum())
    return int(np.argmin(off))


def without_repeats(places: np.ndarray, hashes: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """The places of rows, `LEFT_OUT` where a part further on in `order` has the text.

    places, hashes: (n,), hashes those of the texts.
    """
    kept = places.copy()
    for at, place in enumerate(order):
        later = np.isin(places, order[at + 1 :])
        kept[(places == place) & np.isin(hashes, hashes[later])] = LEFT_OUT
    return kept
