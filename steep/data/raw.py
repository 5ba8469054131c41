"""What is a table before its columns have a meaning? The type that every reader returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.errors import SteepError
from steep.wording import some

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
BATCH = 1000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Raw:
    """A table that is opened, but not read yet.

    `where` is what messages call it: its path, or 'DataFrame', or 'Dataset'. `columns` says whether
    a column holds texts (`TEXT`) or lists of texts (`TEXTS`); numbers are texts as they are
    written. `batches(names)` streams these columns in the table's order, all rows, and raises
    SteepError at a row that cannot be read. `files` are what the rows come from: none for a table
    in memory.
    """

    where: str
    columns: Mapping[str, pa.DataType]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What notes and manifests call it: the name of the file, without its folder."""
        return Path(self.where).name


def record_batch(
    columns: Mapping[str, pa.DataType], rows: Sequence[Sequence[Any]]
) -> pa.RecordBatch:
    """Rows of texts (or None, or lists of texts) as Arrow."""
    fields = zip(*rows, strict=True)
    arrays = [
        pa.array(cells, type=kind) for cells, kind in zip(fields, columns.values(), strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def chunks(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """The items, `size` at a time."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def kind_of(kind: pa.DataType) -> pa.DataType:
    """`TEXT`, or `TEXTS` for lists: how a column of this Arrow type is read."""
    return TEXTS if pa.types.is_list(kind) or pa.types.is_large_list(kind) else TEXT


def as_text(array: pa.Array, kind: pa.DataType, where: str, name: str) -> pa.Array:
    """A column as `TEXT` or `TEXTS`; SteepError if its values are neither texts nor numbers."""
    try:
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SteepError(
            f"{where}, column '{name}': {array.type} cannot be read as a text or a label."
        ) from None


def check_named_once(where: str, header: Sequence[str], names: Sequence[str]) -> None:
    """Raises SteepError if one of `names` occurs twice in the header."""
    for name in names:
        if header.count(name) > 1:
            raise SteepError(f"{where}: the header names column '{name}' twice. Rename one.")


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
