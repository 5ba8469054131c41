"""Which rows of a labelled table copy held-out rows, and what is done about them?

Rows are split first, and told where copies lie in two parts; training rows are left out if the user
says so. The split stays as it is.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from steep.data.corpus import Corpus, Data, label_counts
from steep.data.leaks import Leaks, find_leaks, held_out, rows_of
from steep.errors import SteepError
from steep.wording import quoted, some

EXAMPLES = 5
KINDS = ("equal", "nearly equal", "holding one", "part of one")  # as `leaks` numbers them


@dataclass(frozen=True)
class Copy:
    """A row of `part` that copies a held-out row of `other`; rows are counted from 0."""

    part: str
    row: int
    text: str
    kind: str
    other: str
    other_row: int
    other_text: str

    def line(self) -> str:
        """The copy in a line, its texts shortened."""
        rows = f"row {self.row + 1} of {self.part}, {self.kind}: row {self.other_row + 1}"
        return f"{rows} of {self.other}: {quoted(self.text)}, {quoted(self.other_text)}"


@dataclass(frozen=True)
class Copies:
    """How many rows of each part copy held-out rows, by kind; a few examples."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    examples: tuple[Copy, ...] = ()


def guarded(data: Data) -> Data:
    """`data` with its copies: those of validation and test rows in training, of test in validation.

    They are told in the notes; with `drop_leaks`, training rows that are copies are left out.
    Raises SteepError where a class, or the training, is left without rows.
    """
    held = {p: data.parts[p] for p in ("test", "valid") if len(data.parts.get(p, ()))}
    if not held:
        return data
    index, notes = held_out(map(rows_of, held.values())), list(data.notes)
    drop, train, copies = data.split.leaks.drop_leaks, data.train, Copies()
    leaks = find_leaks(rows_of(train), index)
    if leaks.found.any():
        copies = _described("train", train, leaks, held)
        told = _told(copies, "train", len(train), "held-out rows")
        fate = "they are left out" if drop else "--drop-leaks leaves them out of the training"
        notes.append(f"{told}: {fate}")
        train = _without(train, leaks) if drop else train
    if len(held) == 2:
        leaks = find_leaks(rows_of(data.valid), index, len(held["test"]))
        if leaks.found.any():
            more = _described("valid", data.valid, leaks, held)
            notes.append(_told(more, "valid", len(data.valid), "test rows"))
            copies = Copies(copies.counts | more.counts, copies.examples + more.examples)
    return replace(data, train=train, notes=tuple(notes), copies=copies)


def _described(part: str, rows: Corpus, leaks: Leaks, held: dict[str, Corpus]) -> Copies:
    """Counts, and examples of every kind, the first of each."""
    shown = [np.flatnonzero(leaks.kind == kind)[:EXAMPLES] for kind in range(len(KINDS))]
    examples = [_copy(part, rows, int(at), leaks, held) for one in shown for at in one]
    counts = dict(zip(KINDS, leaks.counts().tolist(), strict=True))
    return Copies({part: counts}, tuple(examples))


def _copy(part: str, rows: Corpus, at: int, leaks: Leaks, held: dict[str, Corpus]) -> Copy:
    place, other = int(leaks.row[at]), "test" if "test" in held else "valid"
    if place >= len(held[other]):
        place, other = place - len(held[other]), "valid"
    one, two = rows.table[at], held[other].table[place]
    kind = KINDS[leaks.kind[at]]
    return Copy(part, one["row"], _text(one), kind, other, two["row"], _text(two))


def _text(row: dict[str, Any]) -> str:
    return " | ".join(row[name] for name in ("text", "pair") if name in row)


def _told(copies: Copies, part: str, rows: int, what: str) -> str:
    counts = copies.counts[part]
    kinds = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    named = [f"{copy.row + 1} = {copy.other} {copy.other_row + 1}" for copy in copies.examples]
    total = sum(counts.values())
    beyond = f", and {total - EXAMPLES:,} more" if total > EXAMPLES else ""
    told = f"{part}: {total:,} of {rows:,} rows copy {what} ({', '.join(kinds)}; rows"
    return f"{told} {', '.join(named[:EXAMPLES])}{beyond})"


def _without(train: Corpus, leaks: Leaks) -> Corpus:
    kept = train.take(np.flatnonzero(~leaks.found))
    if not len(kept):
        raise SteepError(
            f"{train.source}: drop_leaks leaves no training row: every one copies a held-out row. "
            "Give other training rows, or other files with --valid and --test."
        )
    before, after = label_counts(train), label_counts(kept)
    if lost := [name for name, count in before.items() if count and not after[name]]:
        raise SteepError(
            f"{train.source}: drop_leaks leaves no training row of {some(lost)}: all of them copy "
            "held-out rows. Give more rows, or leave --drop-leaks out."
        )
    return kept
