"""What is a table before its columns have a meaning? The type that every reader returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.data.files import LONGEST_TEXT
from steep.data.numerals import read_numbers
from steep.errors import SteepError
from steep.wording import brief, quoted, some

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
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
    return TEXTS if any(is_list(kind) for is_list in LISTS) else TEXT


def as_text(array: pa.Array, kind: pa.DataType, where: str, name: str, first: int) -> pa.Array:
    """A part of a column, from row `first` (from 0) on, as `TEXT` or `TEXTS`.

    Raises SteepError if its values are neither texts nor numbers, no UTF-8, or endless.
    """
    rows = f"rows {first + 1:,} to {first + len(array):,}"
    try:
        texts = array.cast(kind)
        texts.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = f"{brief(str(array.type))} cannot be read as a text or a label"
        if "UTF8" in str(error):
            what = "not UTF-8. Write it anew, with texts in UTF-8"
        raise SteepError(f"{where}, column {quoted(name)}, {rows}: {what}.") from None
    if kind == TEXT and (pc.max(pc.utf8_length(texts)).as_py() or 0) > LONGEST_TEXT:
        raise SteepError(
            f"{where}, column {quoted(name)}, {rows}: longer than {LONGEST_TEXT:,} characters."
        )
    return texts


def check_named_once(where: str, header: Sequence[str], names: Sequence[str]) -> None:
    """Raises SteepError if one of `names` occurs twice in the header."""
    for name in names:
        if header.count(name) > 1:
            raise SteepError(f"{where}: the header names column {quoted(name)} twice. Rename one.")


BLANK = ""
NONE_WORDS = ("nan", "null")  # what programs write where nothing is


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
        return f"{self.source}, column {quoted(self.name)}"

    def place(self, at: int) -> str:
        """Where the cell at this position is, rows counted from 1."""
        return f"{self.source}, row {self.rows[at] + 1:,}, column {quoted(self.name)}"

    def filled(self, as_written: bool = False) -> "Column":
        """The column without whitespace around its texts; SteepError if some are empty.

        The words 'nan' and 'null' stand for empty cells, unless they are taken `as_written`.
        """
        texts = pc.fill_null(pc.utf8_trim_whitespace(self.cells), "")
        missing = (BLANK,) if as_written else (BLANK, *NONE_WORDS)
        empty = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(missing))
        at = np.flatnonzero(np.asarray(empty))
        if len(at):
            raise SteepError(self._explain_empty(at, sorted(set(texts.take(at).to_pylist()))))
        return replace(self, cells=texts)

    def numbers(self, wanted: str, least: float = -np.inf, most: float = np.inf) -> np.ndarray:
        """The cells as numbers, float64 (n,); SteepError at the first that is not what is `wanted`.

        That is a finite number from `least` to `most`.
        """
        found, texts = self._numerals(), pc.fill_null(self.cells, "").to_pylist()
        values = np.empty(len(texts))
        for at, text in enumerate(texts):
            number = found.get(text)
            if number is None or not (np.isfinite(number) and least <= number <= most):
                raise SteepError(f"{self.place(at)}: expected {wanted}, not {quoted(text)}.")
            values[at] = number
        return values

    def number_notes(self) -> tuple[str, ...]:
        """How numbers are written in this column, where that is not plain."""
        note = read_numbers(self._distinct()).note
        return (f"column {quoted(self.name)}: {note}",) if note else ()

    def _numerals(self) -> dict[str, float | None]:
        distinct = self._distinct()
        found = read_numbers(distinct)
        if found.doubt:
            raise SteepError(explain_doubt(self.where, found.doubt))
        return dict(zip(distinct, found.values, strict=True))

    def _distinct(self) -> list[str]:
        """Its different texts, empty ones left out."""
        return [text for text in pc.unique(self.cells).to_pylist() if not is_missing(text)]

    def _explain_empty(self, at: np.ndarray, texts: list[str]) -> str:
        numbers = some([str(row + 1) for row in self.rows[at]])
        words = [quoted(text) for text in texts if text]
        hint = (
            f" {' and '.join(words)} stands for none here; if it is the name of a class, say "
            "--task single."
            if words
            else ""
        )
        return (
            f"{self.where}: {len(at):,} rows have no label (rows {numbers}).{hint} Label them, or "
            "move them to a file of their own; text without labels serves adaptation."
        )


def explain_doubt(where: str, text: str) -> str:
    """What to do about a number that may be one of two."""
    english, other = text.replace(",", ""), text.replace(",", ".")
    return (
        f"{where}: {quoted(text)} may be {english} or {other}, as its comma stands before three "
        "digits. Write the numbers with a decimal point and nothing between thousands."
    )


def is_missing(text: str | None) -> bool:
    """Whether a cell is empty: blank, or one of the usual words for it."""
    return text is None or text.strip().lower() in (BLANK, *NONE_WORDS)
