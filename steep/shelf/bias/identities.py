"""Which rows mention which group, and which are harmful? By columns of the table, or by words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from steep.args.table import Unit
from steep.data.corpus import Corpus
from steep.data.raw import TEXT, Column, is_missing, number_or_none
from steep.data.readers import Source, open_raw
from steep.errors import SteepError
from steep.openings import IdentityArgs
from steep.shelf.bias.terms import Terms, read_terms
from steep.wording import counted, quoted, some, split_at_commas, twice

TRUE = {"true": "1", "false": "0"}
UNKNOWN = -1
SHARE = "a share of raters from 0 to 1, or nothing where nobody was asked"

Cells = Sequence[str | None]


@dataclass(frozen=True)
class Identities:
    """Which groups rows mention: by `terms`, or by `flags`, int8 (rows of the file, groups).

    Flags are 1, 0, or `UNKNOWN` where nobody was asked.
    """

    names: tuple[str, ...]
    terms: Terms | None = None
    flags: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def of(self, corpus: Corpus) -> np.ndarray:
        """Those of the rows of the corpus, int8 (n, groups)."""
        if self.terms is not None:
            return self.terms.mentions(corpus.whole()).astype(np.int8)
        assert self.flags is not None
        return self.flags[corpus.rows()]


def read_identities(
    source: Source, asked: IdentityArgs, label: str | None, unit: Unit
) -> Identities:
    """The identities that the options name; SteepError for a wrong column, cell or term.

    A share of raters counts from `asked.identity_threshold` on. Rows without any annotation are
    unknown, or background if `asked.unknown` says so.
    """
    if (asked.identities is None) == (asked.terms is None):
        raise SteepError(
            "Say which comments mention a group: --identities COLUMN,COLUMN (shares of raters, or "
            "0/1), or --terms FILE.toml (words), one of the two."
        )
    if asked.terms is not None:
        terms = read_terms(asked.terms)
        _check_names(tuple(terms.groups), label, str(asked.terms))
        return Identities(tuple(terms.groups), terms)
    return _by_columns(source, asked, label, unit)


def _by_columns(source: Source, asked: IdentityArgs, label: str | None, unit: Unit) -> Identities:
    raw = open_raw(source, unit)
    commas = max((name.count(",") for name in raw.columns), default=0)
    given = split_at_commas(str(asked.identities), lambda name: name in raw.columns, commas)
    names = tuple(name for name in given if name)
    _check_names(names, label, raw.where)
    where, cells = cells_of(source, names, unit)
    shares = np.stack([_shares(where, name, cells[name]) for name in names], axis=1)
    known = ~np.isnan(shares)
    for name, some_known in zip(names, known.any(axis=0), strict=True):
        if not some_known:
            raise SteepError(f"{where}, column {quoted(name)}: no row has a value.")
    flags = (np.nan_to_num(shares, nan=-1.0) >= asked.identity_threshold).astype(np.int8)
    asked_of, notes = known.any(axis=1), []
    if (part := int((asked_of & ~known.all(axis=1)).sum())) > 0:
        notes.append(f"{counted(part, 'row')} without a value for some groups: not mentioned")
    if not asked_of.all():
        fate = (
            "count as rows that mention no group" if asked.unknown == "background" else "left out"
        )
        notes.append(
            f"{counted(int((~asked_of).sum()), 'row')} without any identity annotated: {fate}"
        )
    if asked.unknown == "leave-out":
        flags[~asked_of] = UNKNOWN
    return Identities(names, flags=flags, notes=tuple(notes))


def _check_names(names: tuple[str, ...], label: str | None, where: str) -> None:
    if not names:
        raise SteepError("identities: no column is named.")
    if (name := twice(names)) is not None:
        raise SteepError(f"{where}: the group {quoted(name)} is named twice.")
    if label in names:
        raise SteepError(
            f"{where}: {quoted(str(label))} is the label, so it cannot be a group, too. Rename one."
        )


def cells_of(
    source: Source, names: Sequence[str], unit: Unit
) -> tuple[str, dict[str, list[str | None]]]:
    """What messages call the table, and these columns as texts; SteepError if one is missing."""
    raw = open_raw(source, unit)
    for name in names:
        if raw.columns.get(name) != TEXT:
            what = "holds lists" if name in raw.columns else "is not there"
            raise SteepError(
                f"{raw.where}: the column {quoted(name)} {what}. The columns are "
                f"{some([quoted(column) for column in raw.columns], 30)}."
            )
    cells: dict[str, list[str | None]] = {name: [] for name in names}
    for batch in raw.batches(list(dict.fromkeys(names))):
        for name, found in cells.items():
            found += batch.column(name).to_pylist()
    return raw.where, cells


def _shares(where: str, name: str, cells: Cells) -> np.ndarray:
    """Shares from 0 to 1, float64 (n,), NaN where a cell is empty."""
    texts = [TRUE.get((cell or "").strip().lower(), cell) for cell in cells]
    there = np.flatnonzero([not is_missing(text) for text in texts])
    column = Column(where, name, pa.chunked_array([[texts[at] for at in there]], TEXT), there)
    found = np.full(len(texts), np.nan)
    found[there] = column.numbers(SHARE, 0, 1)
    return found


def labels_of(
    source: Source, name: str, corpus: Corpus, unit: Unit, positive: str, classes: Sequence[str]
) -> np.ndarray:
    """How harmful each row is, float64 (n,): 1 where the cell is the class `positive`, else 0.

    Where the cells are no names of classes they are shares of raters, or 0/1. Raises SteepError at
    a cell that is neither, or empty.
    """
    where, cells = cells_of(source, [name], unit)
    rows = corpus.rows()
    mine = [(cells[name][row] or "").strip() for row in rows]
    if {*mine} <= {*classes} or (positive in mine and number_or_none(positive) is None):
        return np.array([cell == positive for cell in mine], np.float64)
    texts = pa.chunked_array([[TRUE.get(cell.lower(), cell) for cell in mine]], TEXT)
    wanted = f"a share from 0 to 1, or one of {some([quoted(one) for one in classes])}"
    return Column(where, name, texts, rows).numbers(wanted, 0, 1)
