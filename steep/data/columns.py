"""What do the cells of a column hold? Texts or numbers; a bad cell is named with its row."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.errors import SteepError
from steep.wording import some

MISSING = ("", "nan", "null")


@dataclass(frozen=True)
class Column:
    """A column of a table: `cells` (n,) of texts, or lists of them; None where one is empty.

    `source`, `name` and the row numbers `rows`, int64 (n,), say in messages where a cell is.
    """

    source: str
    name: str
    cells: pa.ChunkedArray
    rows: np.ndarray

    @property
    def where(self) -> str:
        return f"{self.source}, column '{self.name}'"

    def place(self, at: int) -> str:
        """Where the cell at this position is, rows counted from 1."""
        return f"{self.source}, row {self.rows[at] + 1}, column '{self.name}'"

    def filled(self) -> "Column":
        """The column without whitespace around its texts; SteepError if some are empty."""
        texts = pc.fill_null(pc.utf8_trim_whitespace(self.cells), "")
        empty = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING))
        at = np.flatnonzero(np.asarray(empty))
        if len(at):
            rows = some([str(row + 1) for row in self.rows[at]])
            raise SteepError(
                f"{self.where}: {len(at):,} rows have no label (rows {rows}). Label them, or move "
                "them to a file of their own; text without labels serves adaptation."
            )
        return replace(self, cells=texts)

    def numbers(self, wanted: str, least: float = -np.inf, most: float = np.inf) -> np.ndarray:
        """The cells as numbers, float64 (n,); SteepError at the first that is not what is `wanted`.

        That is a finite number from `least` to `most`.
        """
        values = np.empty(len(self.rows))
        for at, text in enumerate(pc.fill_null(self.cells, "").to_pylist()):
            number = number_or_none(text)
            if number is None or not (np.isfinite(number) and least <= number <= most):
                raise SteepError(f"{self.place(at)}: expected {wanted}, not '{text}'.")
            values[at] = number
        return values


def number_or_none(text: str) -> float | None:
    """The number that a text is, if it is one."""
    try:
        return float(text)
    except ValueError:
        return None


def is_missing(text: str | None) -> bool:
    """Whether a cell is empty: blank, or one of the usual words for it."""
    return text is None or text.strip().lower() in MISSING
